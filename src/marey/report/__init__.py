"""The pages that a person reads, and the plots in them."""

from marey.report.board import board
from marey.report.report import report

__all__ = ["board", "report"]
