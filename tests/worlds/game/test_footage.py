"""The game as footage: files that enter the road like any other, with all that is known of them beside them."""

import json
from pathlib import Path

import numpy as np
import pytest

from marey.errors import MareyError
from marey.media import probe, read
from marey.worlds.game import clip, play
from marey.worlds.game.story import Deed, parse
from marey.worlds.game.tiles import HERO


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return play(tmp_path_factory.mktemp("made"), 3, seconds=1.6, size=64, flow=True, workers=0)


def truth(video: Path) -> dict[str, object]:
    return json.loads(video.with_suffix("").with_suffix(".truth.json").read_text())  # type: ignore[no-any-return]


def test_a_clip_is_a_video_with_sound_a_caption_a_truth_and_a_licence(made: list[Path]) -> None:
    for number, video in enumerate(made):
        facts = probe(video)
        assert (facts.height, facts.width, facts.frames, facts.fps) == (64, 64, 48, 30)
        assert facts.has_audio
        one = clip(7, number, 48)
        assert video.with_suffix(".txt").read_text() == one.text
        assert truth(video)["text"] == one.text
        pictures = np.stack([frame.rgb() for frame in read(video, facts)])
        error = np.abs(pictures.astype(int) - one.frames(64)).mean()
        assert error < 6  # as far as the codec is from it
    licences = json.loads((made[0].parent / "LICENCES.json").read_text())
    assert {row["license"] for row in licences.values()} == {"CC0-1.0"}
    assert len(licences) == 3


def test_the_truth_is_that_of_the_clip(made: list[Path]) -> None:
    for number, video in enumerate(made):
        known, one = truth(video), clip(7, number, 48)
        pictures = list(one.pictures(64))
        assert [Deed(**deed) for deed in known["deeds"]] == one.deeds == parse(known["text"])  # type: ignore[attr-defined, arg-type]
        frames: list[dict[str, object]] = known["frames"]  # type: ignore[assignment]
        for state, picture, frame in zip(one.states, pictures, frames, strict=True):
            assert frame["x"] == pytest.approx(state.x, abs=1e-4)
            assert frame["boxes"] == [list(box) for box in picture.boxes()]
        flow = np.load(video.with_suffix("").with_suffix(".flow.npz"))["flow"]
        assert flow.shape == (47, 64, 64, 2)
        moves: dict[str, list[list[int] | None]] = known["flow"]  # type: ignore[assignment]
        for n in range(47):
            hero = flow[n][pictures[n].labels == HERO]
            if len(hero) and moves["hero"][n] is not None:
                assert np.array_equal(np.unique(hero, axis=0), [moves["hero"][n]])
            level = flow[n][pictures[n].instances == 2]
            if len(level):
                assert np.array_equal(np.unique(level, axis=0), [moves["camera"][n]])


def test_a_second_run_makes_only_what_is_missing_and_the_same(made: list[Path], tmp_path: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(made[0].parent.iterdir())}
    made[1].unlink()
    again = play(made[0].parent, 3, seconds=1.6, size=64, flow=True, workers=0)
    assert again == made
    for path, (time, data) in before.items():
        assert path.read_bytes() == data
        if path.name.startswith(made[0].stem):
            assert path.stat().st_mtime_ns == time
    other = play(tmp_path / "other", 3, seconds=1.6, size=64, workers=2)
    assert [path.read_bytes() for path in other] == [path.read_bytes() for path in made]


def test_a_folder_of_other_clips_is_left_alone(made: list[Path]) -> None:
    with pytest.raises(MareyError, match="holds clips with size = 64, not 32: another --out would do"):
        play(made[0].parent, 1, seconds=1.6, size=32, workers=0)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="The size is 50: a multiple of 8"):
        play(tmp_path / "a", 1, size=50)
    with pytest.raises(MareyError, match="no policy 'brave': one of runner"):
        play(tmp_path / "b", 1, policy="brave")
    assert not (tmp_path / "a").exists()
