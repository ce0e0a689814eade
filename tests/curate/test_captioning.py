"""Captions: a column for each captioner, by clip id, of which only what is missing is written."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counting import counted
from dummy_server import Answer, completion, fault, serving
from panning import shot

from marey.catalog import Library
from marey.curate import Summary, captioning, curate
from marey.curate.captioner import evenly, nearest
from marey.curate.captioners import BACKENDS
from marey.curate.captioning import tell
from marey.engine import Result, run
from marey.errors import MareyError
from marey.media import write_video
from marey.recipe import Captions, Curate
from marey.worlds.edits import Join, compose

COLUMNS = ("facts", "image", "video", "merged")


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    video, _ = compose([shot(seed, 30) for seed in (1, 2, 3)], [Join("cut"), Join("cut")])
    write_video(tmp_path / "footage" / "a.mp4", video, 25)
    return tmp_path / "footage"


def work(footage: Path, captions: Captions | None = None, workers: int = 0, retry: bool = False) -> Summary:
    settings = Curate(without=("text_area",), captions=captions or Captions())
    return curate(footage, footage.parent / "library", settings=settings, workers=workers, retry=retry)


def texts(place: Path, column: str) -> dict[str, tuple[str, str, str]]:
    """By clip: text, status, reason."""
    with Library.open(place / "library") as library:
        rows = library.rows("select * from captions where captioner = ?", column)
    return {row["clip"]: (row["text"], row["status"], row["reason"]) for row in rows}


def server(url: str, *columns: str, **settings: Any) -> Captions:
    """These columns by a server."""
    own = {"backend": "server", "model": "m"}
    table = {"base_url": url, "wait_seconds": 0.01, "timeout_seconds": 20, **settings}
    return Captions.model_validate({"server": table, **dict.fromkeys(columns, own)})


def asked(body: dict[str, Any]) -> str:
    """The words of a question."""
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def made(place: Path, count: int) -> Library:
    """A library of clips whose `image` and `video` captions name them."""
    library = Library.open(place / "library", create=True)
    library.put("footage", [{"id": "f", "kind": "video", "path": "/f.mp4", "status": "ok", "stage": "read"}])
    library.put_tensors("trace", {"f": {"pts": np.arange(3)}})
    span = {"start_frame": 0, "end_frame": 2, "start_pts": 0, "end_pts": 2, "frames": 3, "seconds": 0.1}
    shape = {"width": 64, "height": 36, "fps": 25.0, "status": "ok", "stage": "cut"}
    names = [f"clip{n:04}" for n in range(count)]
    library.put("clips", [{"id": name, "footage": "f", "n": n, **span, **shape} for n, name in enumerate(names)])
    library.put(
        "captions",
        [
            {"clip": name, "captioner": column, "version": "1", "text": f"The {column} of <{name}>."}
            for name in names
            for column in ("image", "video")
        ],
    )
    return library


def only_merged(url: str, **settings: Any) -> Captions:
    keep = {"backend": "keep"}
    return server(url, "merged", **settings).model_copy(
        update={name: type(Captions().image).model_validate(keep) for name in ("image", "video")}
    )


def plainly(stage: Any, items: list[dict[str, Any]], what: str, seconds: float | None, most: int) -> Iterable[Result]:
    return run(stage, items)


def no_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips made by hand have no traces to tell of."""
    monkeypatch.setattr(captioning, "captioners", lambda settings: _all(settings)[1:])


_all = captioning.captioners


def test_without_any_model_all_columns_are_there(footage: Path) -> None:
    (footage / "a.txt").write_text("A person's own words.")
    with counted() as count:
        summary = work(footage)
    assert count.pictures == 90  # the pass, and nothing besides
    assert summary.told == {"file": 3, **dict.fromkeys(sorted(COLUMNS), 3)}
    for column in COLUMNS:
        assert all(status == "ok" and text for text, status, _ in texts(footage.parent, column).values())
    image, video, merged = (texts(footage.parent, column) for column in ("image", "video", "merged"))
    for clip, (text, _, _) in merged.items():
        first, second = image[clip][0], video[clip][0]
        assert text == f"{first.rstrip('.')}; a{second[1:]}"
        assert "picture" in first
        assert "motion" not in first
        assert "seconds with" in second
    assert work(footage).told == {}


def test_a_photograph_has_a_picture_and_no_video(footage: Path) -> None:
    from PIL import Image

    Image.fromarray(shot(20, 1)[0]).save(footage / "photo.jpg")
    work(footage)
    with Library.open(footage.parent / "library") as library:
        rows = library.rows(
            "select captioner from captions join clips on clips.id = captions.clip "
            "join footage on footage.id = clips.footage where footage.kind = 'photo' order by 1"
        )
    assert [row["captioner"] for row in rows] == ["facts", "image"]


def test_a_server_sees_the_still_and_the_frames_and_merges_both(footage: Path) -> None:
    def answer(number: int, body: dict[str, Any]) -> Answer:
        content = body["messages"][0]["content"]
        if isinstance(content, str):
            return completion(f"merged: {content}")
        uris = [part["image_url"]["url"] for part in content[:-1]]
        assert all(uri.startswith("data:image/jpeg;base64,/9j/") for uri in uris)
        return completion(f"{len(uris)} pictures")

    with serving(answer) as dummy:
        captions = server(dummy.url, "image", "video", "merged", key_variable="")
        summary = work(footage, captions)
        assert summary.told == dict.fromkeys(sorted(COLUMNS), 3)
        assert len(dummy.bodies) == 9
        assert work(footage, captions).told == {}
        assert len(dummy.bodies) == 9
    assert {text for text, _, _ in texts(footage.parent, "image").values()} == {"1 pictures"}
    assert {text for text, _, _ in texts(footage.parent, "video").values()} == {"8 pictures"}
    assert all("First: 1 pictures Second: 8 pictures" in t for t, _, _ in texts(footage.parent, "merged").values())


def test_a_thousand_answers_in_any_order_stay_with_their_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers after random delays, some at the second time; batches come back shuffled."""
    no_facts(monkeypatch)
    chance = random.Random(0)
    order: list[int] = []

    def answer(number: int, body: dict[str, Any]) -> Answer:
        time.sleep(chance.random() * 0.02)
        if chance.random() < 0.05:
            return chance.choice([fault(429, Retry_After="0"), fault(500), None, (200, {}, b"nonsense")])
        name = asked(body).partition("The image of <")[2][:8]
        order.append(int(name[4:]))
        return completion(f"both of <{name}>")

    def shuffled(stage: Any, items: list[dict[str, Any]], *_: Any) -> Iterable[Result]:
        results = list(run(stage, items))
        chance.shuffle(results)
        return results

    with made(tmp_path, 1000) as library, serving(answer) as dummy:
        captions = only_merged(dummy.url, concurrency=32, retries=10)
        assert tell(library, captions, shuffled) == {"merged": 1000}
        assert 1 < dummy.most <= 32
        asked_before = len(dummy.bodies)
        assert tell(library, captions, shuffled) == {}
        assert len(dummy.bodies) == asked_before > 1000
    assert order != sorted(order)
    told = texts(tmp_path, "merged")
    assert told == {name: (f"both of <{name}>", "ok", "") for name in told}
    assert len(told) == 1000


def test_what_may_pass_is_asked_again_next_time_and_a_refusal_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_facts(monkeypatch)
    well = False

    def answer(number: int, body: dict[str, Any]) -> Answer:
        text = asked(body)
        if "clip0001" in text:
            return completion(None, refusal="not this one")
        if "clip0002" in text and not well:
            return fault(503)
        return completion("fine")

    with made(tmp_path, 4) as library, serving(answer) as dummy:
        captions = only_merged(dummy.url, retries=1)
        assert tell(library, captions, plainly) == {"merged": 4}
        told = texts(tmp_path, "merged")
        assert told["clip0000"] == told["clip0003"] == ("fine", "ok", "")
        assert told["clip0001"] == ("", "failed", "refused: not this one")
        assert told["clip0002"][1:] == (
            "missing", "the server answered 503: Service Unavailable, after 2 attempts",
        )  # fmt: skip
        assert captioning.troubles(library) == [
            "1 captions merged failed: refused: not this one",
            "1 captions merged missing: the server answered 503: Service Unavailable, after 2 attempts",
        ]
        well, before = True, len(dummy.bodies)
        assert tell(library, captions, plainly) == {"merged": 1}
        assert len(dummy.bodies) == before + 1
    assert texts(tmp_path, "merged")["clip0002"] == ("fine", "ok", "")


def test_a_changed_caption_or_prompt_merges_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_facts(monkeypatch)
    with made(tmp_path, 4) as library, serving(lambda number, body: completion(asked(body)[-24:])) as dummy:
        captions = only_merged(dummy.url)
        tell(library, captions, plainly)
        library.put("captions", [{"clip": "clip0002", "captioner": "video", "version": "2", "text": "Other words."}])
        assert tell(library, captions, plainly) == {"merged": 1}
        assert texts(tmp_path, "merged")["clip0002"][0].endswith("Second: Other words.")
        other = captions.model_copy(update={"merged": captions.merged.model_copy(update={"prompt": "{image}{video}"})})
        assert tell(library, other, plainly) == {"merged": 4}
        elsewhere = other.model_copy(update={"server": other.server.model_copy(update={"concurrency": 1})})
        assert tell(library, elsewhere, plainly) == {}


def test_nothing_is_merged_of_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_facts(monkeypatch)
    with made(tmp_path, 3) as library, serving(lambda number, body: completion("fine")) as dummy:
        library.put(
            "captions",
            [{"clip": "clip0001", "captioner": "image", "version": "1", "text": "", "status": "failed", "reason": "x"}],
        )
        library.delete("captions", clip="clip0002", captioner="video")
        tell(library, only_merged(dummy.url), plainly)
        assert len(dummy.bodies) == 1
        assert texts(tmp_path, "merged")["clip0001"] == ("", "missing", "there is no caption image: x")
        assert texts(tmp_path, "merged")["clip0002"][1] == "missing"
        assert tell(library, only_merged(dummy.url), plainly) == {}


def test_without_its_key_a_column_is_missing_and_the_key_is_written_nowhere(
    footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAPTION_KEY", raising=False)
    with serving(lambda number, body: completion("fine")) as dummy:
        captions = server(dummy.url, "image", key_variable="CAPTION_KEY")
        summary = work(footage, captions)
        reason = "the environment variable CAPTION_KEY holds no key"
        assert set(texts(footage.parent, "image").values()) == {("", "missing", reason)}
        assert f"3 captions image missing: {reason}" in summary.notes
        assert work(footage, captions).told == {}
        monkeypatch.setenv("CAPTION_KEY", "sk-very-secret")
        assert work(footage, captions).told == {"image": 3, "merged": 3}
        assert dummy.keys == ["Bearer sk-very-secret"] * 3
    for path in (footage.parent / "library").rglob("*"):
        assert not path.is_file() or b"sk-very-secret" not in path.read_bytes(), path


def test_a_caption_is_not_lost_to_a_server_that_is_down(footage: Path) -> None:
    work(footage)
    before = texts(footage.parent, "image"), texts(footage.parent, "merged")
    with serving(lambda number, body: completion("fine")) as dummy:
        url = dummy.url
    captions = server(url, "image", retries=0)
    summary = work(footage, captions)
    image, merged = texts(footage.parent, "image"), texts(footage.parent, "merged")
    assert {clip: text for clip, (text, _, _) in image.items()} == {clip: row[0] for clip, row in before[0].items()}
    assert all(s == "ok" and r.startswith("of an earlier version: no connection to") for _, s, r in image.values())
    assert merged == before[1]
    assert any("3 captions image ok: of an earlier version: no connection" in note for note in summary.notes)
    assert work(footage, captions).told == {}
    with serving(lambda number, body: completion("fine")) as dummy:
        assert work(footage, server(dummy.url, "image")).told == {"image": 3, "merged": 3}
    assert set(texts(footage.parent, "image").values()) == {("fine", "ok", "")}


def test_a_refusal_is_asked_again_when_that_is_asked_for(footage: Path) -> None:
    with serving(lambda number, body: completion(None, refusal="no")) as dummy:
        captions = server(dummy.url, "image")
        work(footage, captions)
        assert {status for _, status, _ in texts(footage.parent, "image").values()} == {"failed"}
        assert work(footage, captions).told == {}
        assert len(dummy.bodies) == 3
        assert work(footage, captions, retry=True).told == {"image": 3}
        assert len(dummy.bodies) == 6


class Deadly(BACKENDS["facts"]["image"]):
    """Takes its process with it at the second clip of a footage, in guarded processes."""

    name, version, processes = "deadly", "deadly", 1

    def tell(self, clips: Any) -> Any:
        if any(clip.clip["n"] == 1 for clip in clips):
            os._exit(9)
        return super().tell(clips)


def test_a_clip_that_kills_its_process_costs_itself_alone(footage: Path, tmp_path: Path) -> None:
    script = tmp_path / "deadly.py"
    script.write_text(
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1] / 'media')]!r}\n"
        "from test_captioning import BACKENDS, Deadly, work\n"
        "from pathlib import Path\n"
        "BACKENDS['facts']['image'] = Deadly\n"
        "if __name__ == '__main__':\n"
        "    work(Path(sys.argv[1]), workers=1)\n"
    )
    subprocess.run([sys.executable, str(script), str(footage)], check=True, timeout=120)
    with Library.open(footage.parent / "library") as library:
        rows = library.rows(
            "select captions.status, captions.reason from captions join clips on clips.id = captions.clip "
            "where captioner = 'image' order by clips.n"
        )
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert "ended with exit status 9" in rows[1]["reason"]
    assert sorted(status for _, status, _ in texts(footage.parent, "merged").values()) == ["missing", "ok", "ok"]


def test_killed_at_any_moment_nothing_is_asked_twice_but_what_was_in_hand(tmp_path: Path) -> None:
    def answer(number: int, body: dict[str, Any]) -> Answer:
        time.sleep(0.01)
        return completion(f"both of <{asked(body).partition('The image of <')[2][:8]}>")

    script = tmp_path / "merging.py"
    script.write_text(
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1] / 'media')]!r}\n"
        "from test_captioning import captioning, only_merged, tell, Library, plainly, _all\n"
        "captioning.captioners = lambda settings: _all(settings)[1:]\n"
        "with Library.open(sys.argv[1], write=True) as library:\n"
        "    print('ready', flush=True)\n"
        "    tell(library, only_merged(sys.argv[2], concurrency=4), plainly)\n"
    )
    made(tmp_path, 200).close()
    with serving(answer) as dummy:
        command = [sys.executable, str(script), str(tmp_path / "library"), dummy.url]
        for _ in range(3):
            before = len(dummy.bodies)
            process = subprocess.Popen(command, stdout=subprocess.PIPE)
            while len(dummy.bodies) < before + 40:
                time.sleep(0.002)
                assert process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)
        told = texts(tmp_path, "merged")
        assert told == {f"clip{n:04}": (f"both of <clip{n:04}>", "ok", "") for n in range(200)}
        batch = 2 * 2  # two rounds of two threads in each of two processes' share; here one process runs
        assert len(dummy.bodies) <= 200 + 3 * 2 * batch


def test_frames_lie_evenly_and_stills_serve_where_they_lie_near() -> None:
    assert evenly(30, 3) == [5, 15, 25]
    assert evenly(3, 8) == [0, 1, 2]
    assert nearest([0, 9, 17, 29], [5, 15, 25], 30) == [1, 2, 3]
    assert nearest([0, 29], [5, 15, 25], 30) == []  # one of them would serve twice
    assert nearest([0, 1, 2], [5, 15, 25], 30) == []  # too far
    assert nearest([], [5], 10) == []


def test_frames_that_were_not_kept_are_decoded_for_use(footage: Path) -> None:
    shown: dict[str, int] = {}

    def answer(number: int, body: dict[str, Any]) -> Answer:
        shown[str(number)] = len(body["messages"][0]["content"]) - 1
        return completion("fine")

    with serving(answer) as dummy:
        captions = server(dummy.url, "video")
        captions = captions.model_copy(update={"video": captions.video.model_copy(update={"frames": 25})})
        work(footage)
        with counted() as count:
            work(footage, captions)
    assert set(shown.values()) == {25}
    assert count.pictures >= 90 - 3 * 5  # the clips' spans, from the keyframes before them


def test_a_model_that_is_not_there_is_told_before_anything_is_read(footage: Path) -> None:
    captions = Captions.model_validate({"image": {"backend": "transformers", "model": "/no/such/folder"}})
    with counted() as count, pytest.raises(MareyError, match="There is no model '/no/such/folder'"):
        work(footage, captions)
    assert count.pictures == 0


def test_a_column_may_be_left_as_it_is(footage: Path) -> None:
    captions = Captions.model_validate({"video": {"backend": "keep"}, "merged": {"backend": "keep"}})
    assert work(footage, captions).told == {"facts": 3, "image": 3}


def test_what_is_published_has_a_column_each(footage: Path) -> None:
    from marey.catalog import publish

    work(footage)
    with Library.open(footage.parent / "library", write=True) as library:
        publish(library)
    import pyarrow.parquet as parquet

    table = parquet.read_table(footage.parent / "library" / "tables" / "catalog.parquet")
    assert {f"caption_{column}" for column in COLUMNS} <= set(table.column_names)
    rows = json.loads(json.dumps(table.select(["clip", "caption_merged"]).to_pylist()))
    told = texts(footage.parent, "merged")
    assert {row["clip"]: row["caption_merged"] for row in rows} == {name: text for name, (text, _, _) in told.items()}
