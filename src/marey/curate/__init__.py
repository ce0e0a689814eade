"""Footage to clips with signals and captions: one decode a source, and nothing is thrown away."""

from marey.curate.curate import curate
from marey.curate.cuts import Cuts, TimedTransition, find_cuts
from marey.curate.summary import Summary

__all__ = ["Cuts", "Summary", "TimedTransition", "curate", "find_cuts"]
