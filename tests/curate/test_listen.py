"""Signals of sound: of each clip its own, heard once a footage, and nothing else is lost where it cannot be heard."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import voices
from counting import counted
from panning import shot

from marey.catalog import Library, forget, select
from marey.curate import Summary, curate, measuring
from marey.curate.listen import ListenStage, taken
from marey.curate.measures import MEASURES
from marey.curate.measures.sound import Loudness
from marey.engine import Result
from marey.media import write_video
from marey.media.sound import RATE, Heard
from marey.recipe import Curate, Recipe
from marey.worlds.edits import Join, compose

SOUND = ("loudness", "silence_share", "speech_like")
ONLY = tuple(kind.name for kind in MEASURES if kind.name not in SOUND)


def with_sound(path: Path, video: np.ndarray, sound: np.ndarray, codec: str = "flac") -> Path:
    """A file of a video at 25 frames a second and a sound, float (N,) at 48 kHz."""
    with av.open(str(path), "w") as output:
        picture = output.add_stream("libx264", rate=25)
        picture.height, picture.width, picture.pix_fmt = *video.shape[1:3], "yuv420p"
        audio = output.add_stream(codec, rate=RATE, layout="mono")
        for frame in video:
            output.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(picture.encode(None))
        for n in range(0, len(sound), 1024):
            piece = av.AudioFrame.from_ndarray(
                sound[None, n : n + 1024].astype(np.float32), format="fltp", layout="mono"
            )
            piece.sample_rate, piece.pts, piece.time_base = RATE, n, Fraction(1, RATE)
            output.mux(audio.encode(piece))
        output.mux(audio.encode(None))
    return path


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Three shots of 3 s: speech, silence, noise."""
    place = tmp_path / "footage"
    place.mkdir()
    video, _ = compose([shot(seed, 75) for seed in (1, 2, 3)], [Join("cut")] * 2)
    sound = np.concatenate([voices.babble(3), np.zeros(3 * RATE), voices.noise(3)])
    with_sound(place / "a.mkv", video, sound)
    return place


def work(footage: Path, without: tuple[str, ...] = ONLY) -> Summary:
    return curate(footage, footage.parent / "library", settings=Curate(without=without), workers=0)


def column(footage: Path, name: str) -> list[dict[str, Any]]:
    with Library.open(footage.parent / "library") as library:
        return library.rows(
            "select signals.* from signals join clips on clips.id = signals.clip where name = ? order by clips.n", name
        )


def test_each_clip_has_the_signals_of_its_own_sound(footage: Path) -> None:
    with counted() as count:
        work(footage)
    assert count.pictures == 225  # those of the pass
    speech, silence, noise = (row["value"] for row in column(footage, "loudness"))
    assert silence is None
    assert -40 < speech < -8
    assert noise == pytest.approx(-17.5, abs=1.5)  # white noise of 0.1: -20 dB, which the filter of the ear lifts
    assert [row["value"] for row in column(footage, "silence_share")] == pytest.approx([0, 1, 0], abs=0.2)
    assert [row["value"] for row in column(footage, "speech_like")] == pytest.approx([1, 0, 0], abs=0.2)
    assert column(footage, "loudness")[1]["reason"].startswith("it is silent")


def test_it_is_heard_once_and_only_when_it_is_needed(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []
    process = ListenStage.process
    monkeypatch.setattr(ListenStage, "process", lambda self, item: heard.append(item["id"]) or process(self, item))
    work(footage, (*ONLY, *SOUND))
    assert heard == []
    work(footage)
    assert len(heard) == 1

    class Newer(Loudness):
        version = "2"

    monkeypatch.setattr(measuring, "MEASURES", (Newer,))
    assert work(footage, ()).measured == {"loudness": 3}
    assert len(heard) == 1


def test_footage_without_sound_has_none_and_rules_do_not_concern_it(footage: Path) -> None:
    write_video(footage / "mute.mp4", shot(5, 40), 25)
    work(footage)
    with Library.open(footage.parent / "library", write=True) as library:
        mute = library.one("select clips.id from clips join footage on footage.id = footage where path like '%mute%'")
        assert mute is not None
        rows = library.signals([mute["id"]])[mute["id"]]
        assert [rows[name]["value"] for name in SOUND] == [None, 1, 0]
        assert rows["loudness"]["reason"] == "there is no sound in it"
        assert rows["loudness"]["status"] == "ok"
        loud = select(library, Recipe.of({"select": {"min": {"loudness": -20}, "duplicates": "keep"}}).select)
        sounding = select(library, Recipe.of({"select": {"max": {"silence_share": 0.5}, "duplicates": "keep"}}).select)
    assert mute["id"] in loud.clips
    assert mute["id"] not in sounding.clips
    assert len(sounding.clips) == 2


def test_damaged_sound_costs_its_own_signals(footage: Path) -> None:
    path = footage / "a.mkv"
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    at = data.find(b"\xff\xf8", len(data) // 20)
    while at >= 0:  # every header of a FLAC frame
        data[at : at + 12] = rng.integers(0, 256, 12, dtype=np.uint8).tobytes()
        at = data.find(b"\xff\xf8", at + 12)
    path.write_bytes(data)
    work(footage, ("text_area",))
    for name in SOUND:
        assert {row["status"] for row in column(footage, name)} == {"failed"}
        assert "of its sound" in column(footage, name)[0]["reason"]
    assert all(row["value"] is not None for row in column(footage, "motion"))
    assert work(footage, ("text_area",)).measured == {}


def test_a_trace_that_is_gone_is_heard_anew_and_what_was_killed_is_tried_again(
    footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(footage)
    before = [row["value"] for row in column(footage, "loudness")]
    for shard in (footage.parent / "library" / "sounds").glob("*.safetensors"):
        shard.write_bytes(b"nothing")

    class Newer(Loudness):
        version = "2"

    monkeypatch.setattr(measuring, "MEASURES", (Newer,))
    killed = measuring.listen

    def told(library: Library, run: Any, names: set[str]) -> dict[str, Result]:
        return {name: Result(name, error="Its process was killed.", status="failed", again=True) for name in names}

    monkeypatch.setattr(measuring, "listen", told)
    work(footage, ())
    assert {(row["status"], row["reason"]) for row in column(footage, "loudness")} == {
        ("failed", "Its process was killed.")
    }
    monkeypatch.setattr(measuring, "listen", killed)
    assert work(footage, ()).measured == {"loudness": 3}
    assert [row["value"] for row in column(footage, "loudness")] == before


def test_what_is_forgotten_is_no_longer_heard_of(footage: Path) -> None:
    work(footage)
    with Library.open(footage.parent / "library", write=True) as library:
        (name,) = library.places("sound")
        forget(library, name)
        assert library.places("sound") == {}
    assert not list((footage.parent / "library" / "sounds").glob("*.safetensors"))


def test_uneven_pieces_make_no_difference() -> None:
    sound = np.stack([voices.babble(3), voices.noise(3)]).astype(np.float32)
    heard = Heard(channels=("FL", "FR"))
    whole = taken([sound], heard)
    cuts = [0, 1, 960, 5000, 70000, 70001, sound.shape[1]]
    pieces = taken([sound[:, a:b] for a, b in pairwise(cuts)], heard)
    assert {name: len(values) for name, values in whole.items()} == {"power": 150, "level": 150, "speech": 150}
    for name, values in whole.items():
        np.testing.assert_allclose(pieces[name], values, rtol=1e-3, atol=1e-3)
    assert {name: len(values) for name, values in taken([], heard).items()} == {"power": 0, "level": 0, "speech": 0}
