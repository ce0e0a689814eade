"""Broken files of every kind: none ends the run, holds it up or is lost, and each has a status and says why.

What a test prints of a file is its recipe: `mutating.make(folder, Damage("gif", "flip", 3), sources(folder))` makes it
again.
"""

import json
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filming import film
from lying import claims
from mutating import FRAMES, HEIGHT, KINDS, SOURCES, WIDTH, Damage, make, recipes, sources
from panning import NETWORKS
from states import NO_TEXT, rows

from marey.catalog import Library
from marey.curate import curate
from marey.media import Unusable, probe, read, read_photo

LIMIT_SECONDS = 60
MOST_MB = 1500
"""A worker with all its libraries takes some 200."""

CURATE = """
import resource, sys
from marey.curate import curate
from marey.recipe import Curate
if __name__ == "__main__":
    without = [name for name in sys.argv[4].split(",") if name]
    settings = Curate(without=without, file_timeout_seconds=float(sys.argv[3]))
    curate(sys.argv[1], sys.argv[2], settings=settings, workers=2)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return sources(tmp_path_factory.mktemp("sources"))


def curated(footage: Path, library: Path) -> int:
    """Curate in a process of its own, with two guarded workers; returns the most that a worker took, in MB."""
    command = [sys.executable, "-c", CURATE, str(footage), str(library), str(LIMIT_SECONDS), ",".join(NETWORKS)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    most = int(ended.stdout.split()[-1])
    return most // (1 << 20) if sys.platform == "darwin" else most >> 10


def is_sentence(text: str) -> bool:
    """Whether a reason was written for people: one short line that names no exception and no number that is none."""
    if not 8 <= len(text) <= 300 or not text.isprintable():
        return False
    return not re.search(r"Traceback|^\w*(Error|Exception|Unusable)\b|\bnan\b|\bNone\b|\bnone$|0x[0-9a-f]{6}", text)


def is_sound(value: Any) -> bool:
    """Whether there is no number in it that is none, however deep."""
    if isinstance(value, dict | list):
        return all(is_sound(one) for one in (value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def faults(library: Path, expected: set[str]) -> list[str]:
    """What is wrong with a catalog of broken files, each with the file's name, which is its recipe."""
    wrong = []
    with Library.open(library) as store:
        inputs = store.rows("select * from inputs order by path")
        footage = {row["id"]: row for row in store.rows("select * from footage")}
        clips = store.rows("select * from clips")
        signals = store.rows("select signals.*, clips.footage from signals join clips on clips.id = signals.clip")
    names = {Path(row["path"]).name: row for row in inputs}
    wrong += [f"{name}: not in the catalog" for name in sorted(expected - set(names))]
    for name, row in names.items():
        if row["status"] not in ("ok", "failed", "rejected"):
            wrong.append(f"{name}: status {row['status']!r}")
        if row["status"] != "ok" and not is_sentence(row["reason"]):
            wrong.append(f"{name}: {row['status']} for the reason {row['reason']!r}")
        if row["reason"] and not is_sentence(row["reason"]):
            wrong.append(f"{name}: noted {row['reason']!r}")
        if "process" in row["reason"].split():
            wrong.append(f"{name}: {row['reason']}")
        if row["status"] == "ok" and footage[row["footage"]]["status"] != "ok":
            wrong.append(f"{name}: ok, but its footage is not")
    for row in (*footage.values(), *clips):
        name = Path(footage[row.get("footage", row["id"])]["path"]).name
        wrong += [f"{name}: {key} is {value}" for key, value in row.items() if not is_sound(value)]
    for row in signals:
        name, data = Path(footage[row["footage"]]["path"]).name, row["data"]
        if not (is_sound(row["value"]) and is_sound(json.loads(data) if data and data[0] in "[{" else data)):
            wrong.append(f"{name}: {row['name']} is {row['value']} {row['data']}")
        empty = row["value"] is None and data is None
        told = is_sentence(row["reason"]) or not (row["reason"] or empty or row["status"] != "ok")
        if not told or "process" in row["reason"].split():
            wrong.append(f"{name}: {row['name']} is {row['status']}, {row['reason']!r}")
    return wrong


def statuses(library: Path) -> dict[str, Counter[str]]:
    """By source how many of its broken files came to what."""
    with Library.open(library) as store:
        rows = store.rows("select path, status from inputs")
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(Path(row["path"]).name.partition(".")[0], Counter())[row["status"]] += 1
    return found


def fuzzed(place: Path, whole: dict[str, bytes], damages: list[Damage]) -> dict[str, Counter[str]]:
    """Curate the broken files of these recipes, and see that each came to something that can be told."""
    footage = place / "footage"
    footage.mkdir()
    names = {make(footage, damage, whole).name for damage in damages}
    most = curated(footage, place / "library")
    assert faults(place / "library", names) == []
    assert most < MOST_MB, f"a worker took {most} MB; among {sorted(names)}"
    return statuses(place / "library")


def test_what_is_whole_is_read_wholly(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Without this, a reader that fails at everything would pass."""
    footage = tmp_path / "footage"
    footage.mkdir()
    for name, data in whole.items():
        (footage / f"{name}{SOURCES[name]}").write_bytes(data)
    curated(footage, tmp_path / "library")
    with Library.open(tmp_path / "library") as store:
        rows = store.rows("select * from footage")
        unusable = store.rows("select path, reason from inputs where status != 'ok' or reason != ''")
    assert unusable == []
    assert len(rows) == len(SOURCES)
    assert {row["decoded"] for row in rows if row["kind"] == "video"} == {FRAMES}


def test_broken_files_cost_themselves_alone(tmp_path: Path, whole: dict[str, bytes]) -> None:
    found = fuzzed(tmp_path, whole, recipes(150, seed=100))
    total = sum(found.values(), Counter())
    assert set(found) == set(SOURCES)
    assert total["ok"] > 30
    assert total["failed"] > 30
    assert total["rejected"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(10))
def test_broken_files_cost_themselves_alone_many_of_them(piece: int, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Each piece is every kind of damage to every source, with another seed: 2,880 files in all."""
    found = fuzzed(tmp_path, whole, recipes(len(KINDS) * len(SOURCES), seed=piece))
    for name, counts in sorted(found.items()):
        print(f"{name:<20} {dict(sorted(counts.items()))}")


def test_a_long_broken_source_comes_to_the_same_in_reels_and_as_a_whole(tmp_path: Path) -> None:
    """Whatever the workers: a catalog that came out otherwise each time could not be compared with anything."""
    footage = tmp_path / "footage"
    footage.mkdir()
    for suffix in (".ts", ".mkv", ".mp4"):
        data = film(tmp_path / f"long{suffix}", 250, fps=2, height=HEIGHT, width=WIDTH).read_bytes()
        for n, kind in enumerate(("flip", "zeros", "holed", "swapped")):
            (footage / f"{kind}{suffix}").write_bytes(KINDS[kind](data, np.random.default_rng(n)))
    curated(footage, tmp_path / "reels")
    curate(footage, tmp_path / "whole", settings=NO_TEXT, workers=0)
    reels, whole = rows(tmp_path / "reels"), rows(tmp_path / "whole")
    assert len(whole["footage"]) >= 9
    for table in whole:
        assert reels[table] == whole[table], table


def test_a_broken_file_raises_one_kind_of_error(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """In this process, where whatever else is raised shows itself."""
    for damage in recipes(120, seed=200):
        path = make(tmp_path, damage, whole)
        try:
            facts = probe(path)
            if facts.kind == "photo":
                assert read_photo(path).shape[2] == 3, str(damage)
            else:
                assert sum(1 for _ in read(path, facts, threads=1)) >= 2, str(damage)
        except Unusable as error:
            if not is_sentence(error.reason):
                pytest.fail(f"{damage}: {error.reason!r}")
        except Exception as error:
            pytest.fail(f"{damage}: {type(error).__name__}: {error}")


def test_headers_that_lie_cost_neither_memory_nor_the_run(tmp_path: Path, whole: dict[str, bytes]) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    lies = claims(whole)
    for name, data in lies.items():
        (footage / name).write_bytes(data)
    (footage / "whole.mp4").write_bytes(whole["mp4_h264"])
    most = curated(footage, tmp_path / "library")
    assert faults(tmp_path / "library", set(lies)) == []
    assert most < MOST_MB, f"a worker took {most} MB"
    with Library.open(tmp_path / "library") as store:
        told = {Path(row["path"]).name: row for row in store.rows("select * from inputs")}
    assert told["whole.mp4"]["status"] == "ok"
    assert (
        told["16000x16000 in the stream.mp4"]["reason"] == "the picture claims 16000x16000 pixels, too many to be one"
    )
    assert told["16384x1.y4m"]["status"] == "rejected"
    assert told["lasts for years.flv"]["status"] == "ok"


def test_what_counts_as_a_sentence() -> None:
    assert is_sentence("the file is cut short: 3 of 14 frames are there")
    for text in (
        "",
        "ValueError: bad",
        "it lasts nan seconds",
        "two\nlines of it",
        "Traceback (most recent call last)",
    ):
        assert not is_sentence(text)


def test_the_same_recipe_makes_the_same_file(tmp_path: Path, whole: dict[str, bytes]) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    for damage in recipes(40, seed=300):
        one, two = (make(tmp_path / folder, damage, whole) for folder in ("one", "two"))
        assert (one.name, one.read_bytes()) == (two.name, two.read_bytes())
