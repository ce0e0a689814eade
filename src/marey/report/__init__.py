"""The page that a person reads, and the plots in it."""

from marey.report.report import report

__all__ = ["report"]
