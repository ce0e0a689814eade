"""What befalls a run: killed processes, full disks, files and folders that go, sources that never answer."""

import errno
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sleeping
from counting import counted
from filming import film
from listing import finished, listed
from panning import NETWORKS, shot
from states import NO_TEXT, rows

import marey.curate.again as again
import marey.curate.read as reading
from marey.catalog import Library, text_path
from marey.curate import Summary, curate
from marey.errors import EndsRun, MareyError
from marey.media import write_video
from marey.recipe import Curate

FILMS = 5


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five small films of two shots each. Copied before use."""
    place = tmp_path_factory.mktemp("films")
    for n in range(FILMS):
        write_video(place / f"{n}.mp4", np.concatenate([shot(2 * n, 20), shot(2 * n + 1, 20)]), 25)
    return place


@pytest.fixture
def footage(films: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(films, tmp_path / "footage"))


@pytest.fixture
def calm(footage: Path) -> dict[str, Any]:
    """What a run gives that nothing befalls."""
    curate(footage, footage.parent / "calm", settings=NO_TEXT, workers=0)
    return rows(footage.parent / "calm")


def work(footage: Path, workers: int = 0, settings: Curate = NO_TEXT, **options: Any) -> Summary:
    return curate(footage, footage.parent / "library", settings=settings, workers=workers, **options)


def told(footage: Path) -> dict[str, tuple[str, str]]:
    with Library.open(footage.parent / "library") as library:
        inputs = library.rows("select path, status, reason from inputs order by path")
    return {Path(row["path"]).name: (row["status"], row["reason"]) for row in inputs}


def at(what: str, done: int, act: Callable[[], object]) -> Callable[..., None]:
    """A progress that does something once: when so much of a piece of work is done."""
    waiting = [act]

    def progress(piece: str, count: float, total: float | None = None, note: str = "") -> None:
        if waiting and piece == what and count >= done:
            waiting.pop()()

    return progress


# killed


ROAD = """
import sys
from marey.catalog import Library, publish, select
from marey.curate import curate
from marey.recipe import Curate, Export, Select
from marey.run import export
if __name__ == "__main__":
    def tell(what, done, total=None, note=""):
        print(what, flush=True)
    footage, place, without = sys.argv[1:4]
    without = [name for name in without.split(",") if name]
    curate(footage, place + "/library", settings=Curate(without=without), workers=2, progress=tell)
    with Library.open(place + "/library", write=True) as library:
        select(library, Select(name="some", drop={"sharpness": 20}, duplicates="keep"), progress=tell)
        tell("selected", 1)
        publish(library)
        tell("published", 1)
        done = export(library, place + "/out", Export(mode="exact"), selection="some", progress=tell)
        print("made", done.made)
"""


@pytest.mark.parametrize(
    ("kills", "count"), [(3, 2), pytest.param(20, FILMS, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_at_random_moments_of_the_whole_road(kills: int, count: int, footage: Path) -> None:
    """Captions, a selection, what is published and the clips as files; at full size text too, and a film that is read
    in reels. The kills fall on all phases alike, for they are counted in steps of the progress. Every other one takes
    only the parent, and the workers must notice."""
    whole = count == FILMS
    without = ",".join(set(NETWORKS) - ({"text_area"} if whole else set()))
    for n in range(count, FILMS):
        (footage / f"{n}.mp4").unlink()
    if whole:
        slow = np.concatenate([shot(60 + n, 100)[:, ::2, ::2] for n in range(5)])
        write_video(footage / "long.mp4", slow, 3)  # 167 seconds

    def start(place: Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", ROAD, str(footage), str(place), without]
        return subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    calm, stormy = footage.parent / "calm", footage.parent / "stormy"
    undisturbed = start(calm)
    steps = undisturbed.communicate()[0].splitlines()
    assert undisturbed.returncode == 0, steps
    if whole:
        assert len([step for step in steps if step == "reading footage"]) > FILMS + 2, "the long film was not divided"
    assert {"looking at files", "reading footage", "measuring clips", "selected", "published", "writing clips"} <= set(
        steps
    )
    wanted = exported(calm)
    assert steps[-1] == f"made {len(wanted) // 2}"

    rng = np.random.default_rng(0)
    done, during, before = 0, set(), {}
    while done < kills:
        child = start(stormy)
        assert child.stdout is not None
        left = int(rng.integers(1, 12))
        for line in child.stdout:
            left -= 1
            if left == 0:
                time.sleep(float(rng.uniform(0, 0.15)))
                if child.poll() is None:
                    (os.killpg if done % 2 else os.kill)(child.pid, signal.SIGKILL)
                    done += 1
                    during.add(line.strip())
                break
        child.stdout.close()
        ended = child.wait()
        time.sleep(0.5)  # workers without a parent end by themselves, after the clip in hand
        listed(stormy / "out")
        now = finished(stormy / "out")
        assert all(now[clip] == stamp for clip, stamp in before.items()), "a clip was written twice"
        before = now
        if ended == 0:  # it came to its end between two kills
            assert published(stormy / "library") == published(calm / "library")
            assert rows(stormy / "library") == rows(calm / "library")
            assert exported(stormy) == wanted
            shutil.rmtree(stormy)
            before = {}
    assert len(during) >= min(4, kills - 1), during
    last = start(stormy)
    steps = last.communicate()[0].splitlines()
    assert last.returncode == 0
    assert rows(stormy / "library") == rows(calm / "library")
    assert published(stormy / "library") == published(calm / "library")
    assert int(steps[-1].removeprefix("made ")) <= len(wanted) // 2 - len(before)
    assert all(finished(stormy / "out")[clip] == stamp for clip, stamp in before.items())
    assert exported(stormy) == wanted


def exported(place: Path) -> dict[str, bytes]:
    """The clips and their texts, all of which the lists name."""
    out = place / "out"
    files = {path.name: path.read_bytes() for path in (out / "clips").iterdir()}
    assert {Path(name).stem for name in files} == set(listed(out))
    return files


def published(library: Path) -> list[tuple[Any, ...]]:
    """The selection and the table that is published, without the time at which it was made."""
    import pyarrow.parquet

    with Library.open(library) as store:
        chosen = store.rows("select clip from selected order by 1")
        made = store.rows("select name, rules, hash, clips from selections")
    table = pyarrow.parquet.read_table(library / "tables" / "catalog.parquet")
    return [*((row["clip"],) for row in chosen), *(tuple(row.values()) for row in made), tuple(table.column_names),
            tuple(map(str, table.to_pylist()))]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_that_are_killed_cost_what_they_had_in_hand_and_the_next_run_makes_it_good(
    footage: Path, calm: dict[str, Any]
) -> None:
    rng = np.random.default_rng(1)
    kills, over = 0, threading.Event()

    def storm() -> None:
        nonlocal kills
        while not over.wait(float(rng.uniform(0.05, 0.4))):
            crew = [child for child in multiprocessing.active_children() if child.name.startswith("marey-")]
            if crew and kills < 6:
                crew[int(rng.integers(len(crew)))].kill()
                kills += 1

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for _ in range(3):
            try:
                summary = work(footage, workers=2)
            except MareyError:  # all were killed, or two in a row before they were ready
                continue
            assert {row["reason"] for row in summary.unusable} <= {"Its process was killed by SIGKILL."}
    finally:
        over.set()
        thread.join()
    assert kills > 0
    work(footage)
    assert rows(footage.parent / "library") == calm


# no room, no right


def test_a_disk_that_fills_up_ends_the_run_with_a_sentence_and_loses_nothing(
    footage: Path, calm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import marey.catalog.shards as shards

    real, written = os.fsync, 0

    def full(file: int) -> None:
        nonlocal written
        written += 1
        if written > 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    monkeypatch.setattr(shards.os, "fsync", full)
    with counted() as count, pytest.raises(EndsRun, match="cannot be written: the disk is full"):
        work(footage)
    assert 0 < count.pictures < FILMS * 40  # the rest is not decoded for nothing
    monkeypatch.undo()
    with counted() as count:
        work(footage)
    assert 0 < count.pictures < FILMS * 40
    assert rows(footage.parent / "library") == calm


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
def test_a_catalog_that_can_grow_no_more_ends_the_run_with_a_sentence_and_loses_nothing(
    share: float, footage: Path, calm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself says that the disk is full, at whatever statement comes to that page."""
    import marey.catalog.database as database

    with Library.open(footage.parent / "none", create=True) as none, Library.open(footage.parent / "calm") as all_of_it:
        least, most = ((store.one("pragma page_count") or {})["page_count"] for store in (none, all_of_it))
    pages = least + int(share * (most - least))
    real = database._connect

    def small(folder: Path, mode: str) -> sqlite3.Connection:
        db = real(folder, mode)
        db.execute(f"pragma max_page_count = {pages}")
        return db

    monkeypatch.setattr(database, "_connect", small)
    with pytest.raises(MareyError, match="is full: free some space, then give the same command"):
        work(footage)
    monkeypatch.undo()
    work(footage)
    assert rows(footage.parent / "library") == calm


def test_a_library_that_may_only_be_read_is_told_before_the_run(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work(footage)
    real = os.open

    def sealed(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if str(path).endswith("library.lock") and flags & os.O_RDWR:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", sealed)
    with counted() as count, pytest.raises(MareyError, match=r"cannot be written .*a folder that you may write to"):
        work(footage)
    assert count.pictures == 0


def test_a_catalog_that_is_sealed_in_the_middle_ends_the_run_with_a_sentence(
    footage: Path, calm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[sqlite3.Connection] = []
    import marey.catalog.database as database

    real = database._connect
    monkeypatch.setattr(database, "_connect", lambda *args: held.append(real(*args)) or held[-1])
    with pytest.raises(EndsRun, match=r"cannot be written .*give the same command once it can"):
        work(footage, progress=at("reading footage", 2, lambda: held[0].execute("pragma query_only = on")))
    monkeypatch.undo()
    work(footage)
    assert rows(footage.parent / "library") == calm


def test_two_curations_of_one_library(footage: Path) -> None:
    said = []

    def meanwhile() -> None:
        with pytest.raises(MareyError, match=rf"is being written by process {os.getpid()} on .*: wait until it ends"):
            work(footage)
        said.append(True)

    work(footage, progress=at("reading footage", 1, meanwhile))
    assert said == [True]


# files and folders that do not hold still


@pytest.mark.parametrize(
    ("befalls", "reason"),
    [
        (Path.unlink, "there is no such file"),
        (lambda path: os.truncate(path, path.stat().st_size // 3), "it changed while it was being read: run again"),
        (lambda path: path.write_bytes(path.read_bytes() * 2), "it changed while it was being read: run again"),
    ],
    ids=["vanishes", "shrinks", "grows"],
)
def test_a_file_that_changes_between_the_look_and_the_end_of_its_reading(
    befalls: Callable[[Path], object], reason: str, footage: Path, calm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (footage / "1.mp4").read_bytes()
    times = os.stat(footage / "1.mp4")
    seen = 0
    real = reading.read

    def meanwhile(path: Path, *args: Any, **options: Any) -> Any:
        nonlocal seen
        if path.name == "1.mp4":
            seen += 1
            befalls(path)
        return real(path, *args, **options)

    monkeypatch.setattr(reading, "read", meanwhile)
    summary = work(footage)
    monkeypatch.undo()
    assert seen == 1
    assert [row["reason"] for row in summary.unusable] == [reason]
    (footage / "1.mp4").write_bytes(kept)
    os.utime(footage / "1.mp4", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert work(footage).inputs == {"ok": FILMS}
    assert rows(footage.parent / "library") == calm


@pytest.mark.parametrize("when", [("looking at files", 2), ("reading footage", 2), ("measuring clips", 1)])
def test_a_folder_that_vanishes_in_the_middle_and_comes_back(
    when: tuple[str, int], footage: Path, calm: dict[str, Any]
) -> None:
    away = footage.parent / "away"
    with suppress(MareyError):  # that nothing usable is left
        summary = work(footage, progress=at(*when, lambda: footage.rename(away)))
        assert all(row["status"] == "failed" for row in summary.unusable)
    with pytest.raises(MareyError, match="is not there: a folder of footage would do"):
        work(footage)
    away.rename(footage)
    assert work(footage).inputs == {"ok": FILMS}
    assert rows(footage.parent / "library") == calm


# what was kept


def shards(library: Path, kind: str) -> list[Path]:
    with Library.open(library) as store:
        return sorted({library / place.shard for place in store.places(kind).values()})


@pytest.mark.parametrize("kind", ["trace", "stills"])
def test_what_was_kept_and_is_gone_is_made_again_and_nothing_else(
    kind: str, footage: Path, calm: dict[str, Any]
) -> None:
    work(footage)
    shards(footage.parent / "library", kind)[0].unlink()
    with counted() as count:
        summary = work(footage)
    assert (count.pictures, summary.did["read"]) == (40, 1)
    assert rows(footage.parent / "library") == calm


def test_a_trace_that_is_damaged_meanwhile_costs_its_footage_alone_and_is_made_again(
    footage: Path, calm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is damaged before a run is mended at once (test_heal.py); this happens after it was looked at."""
    import marey.curate.heal as heal

    work(footage)
    shard = shards(footage.parent / "library", "trace")[0]
    real = heal.broken_shards

    def then_damaged(*args: Any, **options: Any) -> list[str]:
        found = real(*args, **options)
        os.truncate(shard, shard.stat().st_size // 2)
        return found

    monkeypatch.setattr(heal, "broken_shards", then_damaged)
    other = Curate(without=NETWORKS, longest_seconds=0.5)
    summary = work(footage, settings=other)
    assert summary.inputs == {"failed": 1, "ok": FILMS - 1}
    assert "what was kept of it is damaged: run again" in summary.unusable[0]["reason"]
    monkeypatch.undo()
    healed = work(footage)
    assert healed.did["read"] == 1
    assert rows(footage.parent / "library") == calm


def test_a_trace_of_which_no_rule_knows_what_to_make_costs_its_footage_alone(
    footage: Path, calm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import marey.curate.clips as clips

    real = clips.cut
    calls = 0

    def stumbles(row: dict[str, Any], *args: Any) -> Any:
        nonlocal calls
        calls += 1
        if row["path"].endswith("1.mp4"):
            raise IndexError("index 3 is out of bounds")
        return real(row, *args)

    monkeypatch.setattr(clips, "cut", stumbles)
    summary = work(footage)
    assert summary.inputs == {"failed": 1, "ok": FILMS - 1}
    said = "its transitions cannot be found (IndexError: index 3 is out of bounds)"
    assert told(footage)["1.mp4"] == ("failed", said)
    assert calls == FILMS
    assert "1 input that failed before has not changed" in str(work(footage))
    assert calls == FILMS
    monkeypatch.undo()
    with counted() as count:
        assert work(footage, retry=True).inputs == {"ok": FILMS}
    assert count.pictures == 0
    assert rows(footage.parent / "library") == calm


# sources that never answer


@pytest.mark.parametrize("stage", ["ProbeStage", "ReadStage"])
def test_a_source_that_never_answers_is_given_up_and_the_others_go_on(
    stage: str, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a dead network disk: the call does not return."""
    (footage / "1.mp4").rename(footage / "asleep.mp4")
    slow = {"ProbeStage": sleeping.SleepyProbe, "ReadStage": sleeping.SleepyRead}[stage]
    for module in ("marey.curate.curate", "marey.curate.reading"):
        if hasattr(sys.modules.get(module), stage):
            monkeypatch.setattr(sys.modules[module], stage, slow)
    limit = Curate(without=NO_TEXT.without, file_timeout_seconds=4)
    summary = work(footage, workers=2, settings=limit)
    assert summary.inputs == {"failed": 1, "ok": FILMS - 1}
    assert [row["reason"] for row in summary.unusable] == ["Its process gave no answer within 4 s."]
    # The same limit would end the same way; a longer one need not.
    monkeypatch.undo()
    patient = work(footage, settings=limit)
    assert (patient.did["probed"], patient.did["read"]) == (0, 0)
    assert work(footage, settings=Curate(without=NO_TEXT.without, file_timeout_seconds=60)).inputs == {"ok": FILMS}


# again, and not again


@pytest.fixture
def broken(footage: Path) -> Path:
    """A film that cannot be opened, one whose packets are damaged, and a picture, beside the good ones."""
    whole = film(footage / "whole.mp4", 60).read_bytes()
    (footage / "whole.mp4").unlink()
    (footage / "no index.mp4").write_bytes(whole[: len(whole) // 2])
    noise = np.random.default_rng(0).integers(0, 256, 40000).astype(np.uint8).tobytes()
    fast = bytearray(film(footage / "fast.mp4", 60, container_options={"movflags": "faststart"}).read_bytes())
    start = fast.index(b"mdat") + 4
    fast[start:] = noise[: len(fast) - start]
    (footage / "fast.mp4").write_bytes(fast)
    (footage / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more than that")
    return footage


def test_what_is_broken_is_tried_once(broken: Path) -> None:
    first = work(broken)
    assert first.inputs == {"failed": 3, "ok": FILMS}
    before = rows(broken.parent / "library")
    with counted() as count:
        second = work(broken)
    assert count.pictures == 0
    assert (second.did["probed"], second.did["read"]) == (0, 0)
    assert "3 inputs that failed before have not changed, nor has what reads them: --retry would try again" in str(
        second
    )
    assert rows(broken.parent / "library") == before
    third = work(broken, retry=True)
    assert (third.did["probed"], third.did["read"]) == (2, 1)
    assert "--retry" not in str(third)
    assert rows(broken.parent / "library") == before


def test_what_is_broken_is_tried_again_when_it_or_its_reader_has_changed(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(broken)
    os.utime(broken / "no index.mp4")
    assert work(broken).did["probed"] == 1
    monkeypatch.setattr(again, "version", lambda name: "99.0")
    newer = work(broken)
    assert (newer.did["probed"], newer.did["read"]) == (2, 1)
    assert work(broken).did["probed"] == 0
    film(broken / "no index.mp4", 30)
    assert work(broken).inputs == {"failed": 2, "ok": FILMS + 1}


def test_another_name_of_a_broken_film_is_told_without_reading_it(broken: Path) -> None:
    work(broken)
    shutil.copy(broken / "fast.mp4", broken / "copy.mp4")
    summary = work(broken)
    assert (summary.did["probed"], summary.did["read"]) == (1, 0)
    assert told(broken)["copy.mp4"] == told(broken)["fast.mp4"]
    assert told(broken)["copy.mp4"][0] == "failed"


def test_what_could_not_be_reached_is_tried_at_each_run(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = reading.probe

    def refused(path: Path) -> Any:
        if path.name == "1.mp4":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(reading, "probe", refused)
    assert work(footage).inputs == {"failed": 1, "ok": FILMS - 1}
    assert work(footage).did["probed"] == 1
    monkeypatch.undo()
    assert work(footage).inputs == {"ok": FILMS}


# what a run says


def test_a_run_says_what_it_did(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from marey.curate.measures.light import Brightness

    without = Curate(without=(*NO_TEXT.without, "sharpness"))
    first = str(work(footage, settings=without))
    assert (
        "this run     looked at 5 files (new, changed or tried again), read 5 sources, cut 5 sources into clips"
        in first
    )
    assert "sharpness" not in first
    assert "this run     nothing to do" in str(work(footage, settings=without))
    # A new signal: of every clip, and nothing else.
    added = str(work(footage))
    assert "this run     only measured" in added
    assert "measured     sharpness of 10 clips" in added
    # A new version of one.
    monkeypatch.setattr(Brightness, "version", Brightness.version + "b")
    assert "measured     brightness of 10 clips" in str(work(footage))
    # A new file and a changed one.
    write_video(footage / "new.mp4", shot(50, 30), 25)
    write_video(footage / "0.mp4", shot(51, 30), 25)
    both = str(work(footage))
    assert "looked at 2 files (new, changed or tried again), read 2 sources, cut 2 sources into clips, wrote " in both
    assert "of 2 clips" in both


def test_a_run_says_what_it_could_not_measure(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from marey.curate.measures.light import Sharpness

    monkeypatch.setattr(Sharpness, "lacking", lambda self: 'it needs more: pip install "marey[more]"')
    assert 'sharpness of 10 clips is missing: it needs more: pip install "marey[more]"' in str(work(footage))
    monkeypatch.undo()
    assert "is missing" not in str(work(footage))


# names


NAMES = (
    b"two\nlines.mp4", b"'single' \"double\" `back`.mp4", b"caf\xe9.mp4", b"-rf.mp4", b"--out.mp4", b"%s %d {0}.mp4",
    b"<img src=x onerror=alert(1)>&amp;.mp4", b"file:a:b?c#d.mp4", b"a*[b]?.mp4", b" .mp4", b"$(reboot);|&.mp4",
    b"x" * 251 + b".mp4", "\u202egpj.mp4".encode(), "🎞 名 имя\u0301.mp4".encode(), b"tab\there.mp4",
)  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of these names")
def test_every_name_that_a_file_can_have(films: Path, tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    place = os.fsencode(footage)
    write_video(tmp_path / "film.mp4", shot(1, 12), 25)
    data = (tmp_path / "film.mp4").read_bytes()
    for n, name in enumerate(NAMES):
        with open(os.path.join(place, name), "wb") as file:
            file.write(data + bytes(8 + n))  # each another footage
    summary = work(footage)
    assert summary.unusable == []
    assert summary.inputs == {"ok": len(NAMES)}
    str(summary).encode()
    assert work(footage).did["probed"] == 0
    with Library.open(tmp_path / "library") as library:
        stored = {os.fsencode(text_path(row["path"])) for row in library.rows("select path from inputs")}
    assert stored == {os.path.join(place, name) for name in NAMES}
    keep = footage / "good.mp4"
    keep.write_bytes(data)
    os.truncate(os.path.join(place, NAMES[0]), 10)
    with open(os.path.join(place, b"\x1b[2Jscreen.mp4"), "wb") as file:
        file.write(b"no film")
    lines = str(work(footage)).splitlines()
    assert sum("two\\x0alines.mp4: " in line for line in lines) == 1
    assert all(line.isprintable() for line in lines)
    keep.unlink()
    for name in NAMES:
        os.truncate(os.path.join(place, name), 10)
    assert len(work_all_broken(footage)) == len(NAMES) + 2  # and the two of before


def work_all_broken(footage: Path) -> list[str]:
    """What is said of names whose files are broken now; each on one line of the summary."""
    with pytest.raises(MareyError) as caught:
        work(footage)
    assert "\n" not in str(caught.value)
    return [reason for status, reason in told(footage).values() if status == "failed"]


@pytest.mark.skipif(sys.platform == "win32", reason="sparse files")
def test_a_huge_file_with_nothing_in_it_is_told_at_once(footage: Path) -> None:
    with open(footage / "hole.mp4", "wb") as file:
        file.truncate(1 << 36)
    work(footage)
    assert told(footage)["hole.mp4"] == ("failed", "there are only zeros in it")
