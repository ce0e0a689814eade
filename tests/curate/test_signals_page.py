"""The page of signals tells of every measure what the code says."""

import re
from pathlib import Path

from marey.curate.measures import MEASURES

PAGE = Path(__file__).parents[2] / "docs" / "signals.md"
ROW = re.compile(r"^\| `(\w+)` \| (.*?) ?\| (\w*) ?\| (yes|no) \| (.+) \|$", re.MULTILINE)
SAID = {"looks": "1 to 10", "match": "cosine", "preference": "log odds"}
"""Units that the page says in other words, where the code has a plain number."""


def test_each_measure_has_its_row() -> None:
    rows = {name: rest for name, *rest in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    assert set(rows) == {kind.name for kind in MEASURES}
    for kind in MEASURES:
        unit, bad, photos, _ = rows[kind.name]
        said = SAID.get(kind.name, "share" if kind.unit == "1" else kind.unit)
        assert (unit, bad, photos) == (said, kind.bad, "yes" if kind.photos else "no"), kind.name
