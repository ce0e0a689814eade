"""What is known of a clip: from files as from the game itself."""

from pathlib import Path

import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.known import (
    EVENTS,
    MOMENTS,
    RATE,
    SIZE,
    SOUND,
    cells_of_boxes,
    cells_of_labels,
    events_of,
    mirrored,
    moments_of,
    pictures,
    read_known,
    shown,
)
from marey.worlds.game import clip, play
from marey.worlds.game.again import drawn_again


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("jules")
    play(place, 5, seed=31, workers=0)
    return place


def test_events_are_those_of_the_deeds() -> None:
    deeds = [
        {"verb": "jump", "side": 1, "what": "snail", "count": 2},
        {"verb": "stomp", "side": 0, "what": "frog", "count": 1},
        {"verb": "climb", "side": -1, "what": "", "count": 1},
        {"verb": "killed", "side": 0, "what": "lava", "count": 1},
    ]
    assert events_of(deeds) == {
        "jump", "jump right", "jump over snail", "stomp", "stomp on frog", "climb", "climb up", "killed", "lava",
    }  # fmt: skip
    assert events_of([]) == frozenset()


@pytest.mark.parametrize("names", [EVENTS, MOMENTS])
def test_a_mirror_of_a_mirror_is_none(names: tuple[str, ...]) -> None:
    order = mirrored(names)
    assert [order[n] for n in order] == list(range(len(names)))
    assert names[order[names.index("run left")]] == "run right"
    assert names[order[names.index("climb up")]] == "climb up"


def test_what_is_shown_is_nearest_in_time() -> None:
    assert shown(96, 30).tolist() == list(range(0, 96, 2))
    assert shown(4, 7.5).tolist() == [0, 0, 1, 2, 2, 2, 3]
    assert shown(1, 30).tolist() == [0]
    for fps in (5, 8, 12, 24, 60):
        at = shown(50, fps)
        assert np.abs(at / fps - np.arange(len(at)) / RATE).max() <= 0.5 / fps + 1e-9


def test_files_say_what_the_game_says(folder: Path) -> None:
    known = read_known(folder, sound=True)
    assert known.videos.shape == (5, 48, SIZE, SIZE, 3)
    assert known.moments is not None
    assert known.cells is not None
    assert known.sounds is not None
    for n in range(5):
        one = clip(31, n, 96)
        drawn = list(one.pictures(SIZE))[::2]
        assert known.texts[n] == one.text
        rgb = np.stack([picture.rgb for picture in drawn])
        assert np.abs(known.videos[n].astype(int) - rgb).mean() < 6  # x264 stands between
        cells = np.stack([cells_of_labels(picture.labels) for picture in drawn])
        # A box covers all that is seen of a thing, and its corners.
        assert not (cells & ~known.cells[n]).any()
        assert (cells > 0).sum() > 0.6 * (known.cells[n] > 0).sum()
        rows = [
            {"pose": s.pose, "vx": s.vx, "vy": s.vy, "events": [(e.kind, e.what) for e in s.events]} for s in one.states
        ]
        assert np.array_equal(known.moments[n], moments_of(rows, cells, range(0, 96, 2)))
        wave = one.sound().reshape(-1, 240).std(1)
        heard = known.sounds[n][: len(one.sound())].reshape(-1, 240).std(1)
        assert known.sounds.shape[1] == 96 * SOUND // 30
        assert np.corrcoef(wave, heard)[0, 1] > 0.9
    assert len(set(known.groups)) == 5
    assert known.take([1, 3]).texts == (known.texts[1], known.texts[3])
    assert known.digest == read_known(folder, sound=True).digest != known.take([0, 1, 2, 3]).digest


def test_moments_are_those_of_the_frames() -> None:
    still = {"pose": "stand", "vx": 0.0, "vy": 0.0, "events": []}
    frames = [still] * 8
    frames[3] = still | {"events": [("coin", ""), ("stomp", "bee")]}
    frames[4] = still | {"pose": "walk", "vx": -0.18}
    cells = np.zeros((4, 8, 8), np.uint16)
    cells[1, 2, 2] = 1 << 2
    found = [{MOMENTS[n] for n in np.flatnonzero(row)} for row in moments_of(frames, cells, [0, 2, 4, 6])]
    assert found == [
        {"stand"},
        {"stand", "sees snail"},
        {"run", "run left", "coin", "stomp", "stomp on bee"},
        {"stand"},
    ]


def test_cells_by_hand() -> None:
    labels = np.zeros((64, 64), np.uint8)
    labels[10, 20], labels[11, 20], labels[63, 63] = 9, 21, 5
    cells = cells_of_labels(labels)
    assert cells[1, 2] == 1 | 1 << 12
    assert np.count_nonzero(cells) == 1
    assert np.array_equal(cells_of_boxes([(9, 40, 20, 42, 22), (21, 40, 22, 42, 24)], 128), cells)


def test_no_level_is_learnt_from_and_tried(folder: Path) -> None:
    known = read_known(folder)
    train, test = known.split(0.5)
    assert not set(train.groups) & set(test.groups)
    assert len(train) + len(test) == 5
    few, _ = known.take([1, 2, 3, 4]).split(0.5)
    assert set(few.groups) <= set(train.groups)
    with pytest.raises(MareyError, match="more clips would do"):
        known.take([0]).split(0.5)


def test_made_clips_are_known_by_their_texts(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*-00000[01].*"):
        if not path.name.endswith(".truth.json"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    asked = [{"verb": "duck", "side": 0, "what": ""}]
    known = read_known(tmp_path, lambda text: asked)
    assert known.happened == (frozenset({"duck"}),) * 2
    assert known.moments is None
    next(tmp_path.glob("*0.txt")).unlink()
    with pytest.raises(MareyError, match="Nothing is known of"):
        read_known(tmp_path, lambda text: asked)
    with pytest.raises(MareyError, match=r"has no \.mp4"):
        read_known(tmp_path / "none")


def test_pictures_come_at_one_size() -> None:
    video = np.random.default_rng(0).integers(0, 255, (3, 96, 128, 3)).astype(np.uint8)
    assert pictures(video).shape == (3, SIZE, SIZE, 3)
    assert pictures(video[:, :32, :32]).shape == (3, SIZE, SIZE, 3)


def test_what_is_drawn_again_is_what_was_drawn(folder: Path) -> None:
    colours, labels, clips = drawn_again(folder, each=3)
    drawn = list(clip(31, 2, 96).pictures(SIZE))
    rows = [n for n, name in enumerate(clips) if name.endswith("000002")]
    for row, at in zip(rows, (0, 48, 95), strict=True):
        assert np.array_equal(colours[row], drawn[at].rgb)
        assert np.array_equal(labels[row], drawn[at].labels)
    with pytest.raises(MareyError, match="has no clips of the world of Jules"):
        drawn_again(folder / "none")
