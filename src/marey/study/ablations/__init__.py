"""The paper's claims, re-tested in miniature: arms that differ in one thing each, on a world whose truth is known."""

from marey.study.ablations.compare import Table, table
from marey.study.ablations.plan import Arm, Comparison, arms, comparisons
from marey.study.ablations.run import read, run

__all__ = ["Arm", "Comparison", "Table", "arms", "comparisons", "read", "run", "table"]
