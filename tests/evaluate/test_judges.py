"""Judges learn what is to be seen, and nothing where nothing is."""

from pathlib import Path

import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.judges import Events, Labels, semantic_iou
from marey.evaluate.known import Known

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 220), "white": (240, 240, 240)}
WAYS = {"left": -1, "right": 1, "nowhere": 0}
NAMES = (*COLOURS, *WAYS)


def squares(count: int, seed: int, size: int = 64) -> Known:
    """Videos (N, 16, size, size, 3) of a square of some colour that goes some way, and sentences about them."""
    rng = np.random.default_rng(seed)
    videos, texts = np.full((count, 16, size, size, 3), 90, np.uint8), []
    for video in videos:
        colour, way = str(rng.choice(list(COLOURS))), str(rng.choice(list(WAYS)))
        y = int(rng.integers(2, size - 18))
        for t, frame in enumerate(video):
            x = size // 2 - 8 + WAYS[way] * 2 * (t - 8)
            frame[y : y + 16, max(x, 0) : x + 16] = COLOURS[colour]
        texts.append(f"a {colour} square goes {way}")
    happened = tuple(frozenset((text.split()[1], text.split()[-1])) for text in texts)
    return Known(videos, tuple(texts), happened, tuple(range(count)))


@pytest.mark.slow
def test_events_are_told_and_shuffled_ones_teach_nothing() -> None:
    known, unseen = squares(120, 3), squares(60, 4)
    true = np.array([[name in each for name in NAMES] for each in unseen.happened])
    judge = Events.trained([known], names=NAMES, steps=80, seed=0, batch=128)
    assert ((judge(unseen.videos) > 0.5) == true).mean() > 0.93
    order = np.random.default_rng(0).permutation(120)
    wrong = Known(known.videos, known.texts, tuple(known.happened[n] for n in order), known.groups)
    fooled = Events.trained([wrong], names=NAMES, steps=20, seed=0, batch=128)
    assert ((fooled(unseen.videos) > 0.5) == true).mean() < 0.8


def test_the_same_seed_gives_the_same_judge_and_it_is_kept(tmp_path: Path) -> None:
    known, unseen = squares(24, 5), squares(6, 6)
    one = Events.trained([known], names=NAMES, steps=3, seed=5, batch=64)
    other = Events.trained([known], names=NAMES, steps=3, seed=5, batch=64)
    assert np.array_equal(one(unseen.videos), other(unseen.videos))
    one.save(tmp_path / "judge")
    again = Events.open(tmp_path / "judge")
    assert again.names == one.names
    assert np.abs(again(unseen.videos) - one(unseen.videos)).max() < 0.01
    assert again.watch(unseen.videos).shape == (6, 16, 128)
    with pytest.raises(MareyError, match="holds no judge of events"):
        Events.open(tmp_path)


def test_thresholds_are_where_a_judge_errs_least() -> None:
    class Shy(Events):
        """Never more than a fifth sure, and right."""

        def __call__(self, videos: np.ndarray, fps: float = 15) -> np.ndarray:
            red = (videos == COLOURS["red"]).all(-1).any((1, 2, 3))
            return np.stack([red * 0.15 + 0.05, np.full(len(videos), 0.3)], axis=1).astype(np.float32)

    known = squares(80, 9)
    judge = Shy(("red", "never"), {}, None)
    assert judge.thresholds.tolist() == [0.5, 0.5]
    fitted = Shy.fitted(judge, [known]).thresholds
    assert 0.05 < fitted[0] < 0.2
    assert fitted[1] == 0.5


@pytest.mark.slow
def test_clips_of_any_size_and_rate_are_seen_alike() -> None:
    known = squares(60, 7)
    judge = Events.trained([known], names=NAMES, steps=50, seed=0, batch=128)
    true = np.array([[name in each for name in NAMES] for each in known.happened])
    large = known.videos.repeat(2, axis=2).repeat(2, axis=3)
    assert np.array_equal(judge(large), judge(known.videos))
    twice = judge(known.videos.repeat(2, axis=1), fps=30)
    assert np.abs(twice - judge(known.videos)).mean() < 0.1
    slower = judge(known.videos[:, ::2], fps=7.5) > 0.5
    assert (slower == true).mean() > 0.8
    with pytest.raises(ValueError, match=r"uint8 \(N, T, H, W, 3\) would do"):
        judge(known.videos[0])


def test_labels_are_read_from_colours() -> None:
    known = squares(60, 8, 32)
    pictures = known.videos[:, 8]
    number = {colour: n + 1 for n, colour in enumerate(COLOURS)}
    labels = np.stack(
        [(picture != 90).any(-1) * number[text.split()[1]] for picture, text in zip(pictures, known.texts, strict=True)]
    ).astype(np.uint8)
    reader = Labels.trained(pictures[:40], labels[:40], 5, steps=50, seed=0)
    scores = semantic_iou(reader(pictures[40:]), labels[40:], 5)
    assert min(scores.values()) > 0.6


def test_iou_by_hand() -> None:
    true = np.array([[0, 0, 1, 1], [2, 2, 2, 2]], np.uint8)
    found = np.array([[0, 1, 1, 1], [2, 2, 0, 0]], np.uint8)
    assert semantic_iou(found, true, 4) == {0: 1 / 4, 1: 2 / 3, 2: 1 / 2}
