"""The tasks: a judge that knows all is told to be right, and what it must fail at is told apart."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from marey.evaluate.intervals import wilson
from marey.evaluate.known import SOUND, Known
from marey.evaluate.record import Evaluation
from marey.evaluate.tasks import balanced, blurred, judge_events, judge_labels, judge_retrieval

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 220), "white": (240, 240, 240)}
PITCH = {name: 300 * 1.7**n for n, name in enumerate(COLOURS)}


class Reads:
    """A judge that reads what happens off the first pixels: 255 in column n of the last picture, 0 in the first."""

    names = ("one", "two", "never")
    thresholds = 0.5
    card: dict[str, Any] = {}  # noqa: RUF012

    def __call__(self, videos: np.ndarray) -> np.ndarray:
        return (videos[:, -1, 0, :3, 0] > videos[:, 0, 0, :3, 0]).astype(np.float32) * 0.9 + 0.05


class Eyes:
    """What a judge of events sees of a picture: here, its colours in a grid."""

    card: dict[str, Any] = {}  # noqa: RUF012

    def watch(self, videos: np.ndarray) -> np.ndarray:
        count, frames = videos.shape[:2]
        grid = videos.reshape(count, frames, 4, 16, 8, 8, 3).mean((3, 5)).reshape(count, frames, 96)
        return np.pad(grid / 128 - 1, ((0, 0), (0, 0), (0, 32))).astype(np.float32)


def told(evaluation: Evaluation, method: str, metric: str) -> float:
    row = evaluation.row(method, metric)
    assert row is not None
    return row.value


def test_events_and_what_a_judge_must_fail_at() -> None:
    rng = np.random.default_rng(0)
    happens = rng.random((200, 2)) < [0.5, 0.3]
    videos = np.zeros((200, 4, 8, 8, 3), np.uint8)
    videos[:, -1, 0, :2] = happens[..., None] * 255
    happened = tuple(
        frozenset(name for name, there in zip(("one", "two"), row, strict=True) if there) for row in happens
    )
    known = Known(videos, ("",) * 200, happened, tuple(range(200)))
    judge: Any = Reads()
    found = judge_events(judge, known)
    assert told(found, "clips", "balanced accuracy") == 1
    assert told(found, "clips", "asked and found") == 1
    assert told(found, "clips", "found, two") == 1
    assert told(found, "clips", "falsely found, two") == 0
    assert told(found, "clips", "calibration error") == pytest.approx(0.05)
    assert told(found, "shuffled", "balanced accuracy") == pytest.approx(0.5, abs=0.1)
    for method in ("frozen", "reversed"):
        assert told(found, method, "balanced accuracy") == 0.5
        assert told(found, method, "asked and found") == 0
    assert [(gap["metric"], gap["reason"][:22]) for gap in found.absent] == [("never", "0 clips with it, 200 w")]
    assert found.data == known.digest
    assert judge_events(judge, known.take(range(10))).rows == []


def test_balanced_accuracy_by_hand() -> None:
    both = balanced(wilson(90, 100), wilson(4, 200))
    assert both.value == pytest.approx((0.9 + 0.98) / 2)
    assert both.low is not None
    assert both.high is not None
    assert both.low < both.value < both.high
    # As wide as the two together when they err independently: half of the root of the sum of their squares.
    assert both.high - both.low == pytest.approx(np.hypot(0.1184, 0.0426) / 2, abs=0.004)
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        one = balanced(wilson(int(rng.binomial(60, 0.9)), 60), wilson(int(rng.binomial(80, 0.05)), 80))
        assert one.low is not None
        assert one.high is not None
        held += one.low <= 0.925 <= one.high
    assert held / 300 > 0.92


def sounding(count: int, seed: int) -> Known:
    """Squares of four colours that go left or right, with a tone each; the texts say both."""
    rng = np.random.default_rng(seed)
    videos, texts, sounds = np.full((count, 16, 64, 64, 3), 90, np.uint8), [], []
    time = np.arange(16 * SOUND // 15) / SOUND
    for video in videos:
        colour, way = str(rng.choice(list(COLOURS))), int(rng.integers(2))
        for t, frame in enumerate(video):
            x = 24 + (2 * way - 1) * 2 * (t - 8)
            frame[20:36, x : x + 16] = COLOURS[colour]
        texts.append(f"a {colour} square goes {('left', 'right')[way]}")
        sounds.append(0.5 * np.sin(2 * np.pi * PITCH[colour] * time + rng.random() * 6))
    happened = tuple(frozenset(text.split()) for text in texts)
    groups = tuple(f"{seed} {n}" for n in range(count))
    return Known(videos, tuple(texts), happened, groups, sounds=np.array(sounds, np.float32))


def test_video_text_and_sound_find_each_other() -> None:
    known = sounding(120, 0)
    eyes: Any = Eyes()
    found = judge_retrieval(known, eyes, steps=40, heldout=0.3)
    for direction in ("video to text", "text to video", "sound to text", "text to sound"):
        assert told(found, f"{direction}, shuffled", "R@1") < 0.6
    assert told(found, "video to text", "R@1") > 0.7
    assert told(found, "text to video", "R@1") > 0.7
    assert told(found, "sound to text", "R@5") > 0.8
    assert told(found, "video to sound", "R@10") > told(found, "video to sound, shuffled", "R@10")
    row = found.row("video to text, paired", "R@1")
    assert row is not None
    # Eight texts among some 36 clips: who knows all of a text still has to guess which of its clips it was.
    assert "ceiling 0.2" in row.note
    assert row.value < 0.5
    assert found.protocol["candidates"] == found.n
    assert not set(known.split(0.3)[0].groups) & set(known.split(0.3)[1].groups)


def test_maps_are_read_worse_where_all_is_blurred() -> None:
    known = sounding(60, 2)
    pictures = known.videos[:, 8, ::2, ::2]
    number = {colour: n + 1 for n, colour in enumerate(COLOURS)}
    labels = np.stack(
        [(one != 90).any(-1) * number[text.split()[1]] for one, text in zip(pictures, known.texts, strict=True)]
    ).astype(np.uint8)
    ways = {"black": np.zeros_like, "much blurred": partial(blurred, sigma=6)}
    found = judge_labels(pictures, labels, ("ground", *COLOURS), known.groups, steps=40, ways=ways, heldout=0.3)
    assert told(found, "as drawn", "mean IoU") > 0.7
    assert told(found, "much blurred", "mean IoU") < told(found, "as drawn", "mean IoU") - 0.1
    # A plain square is one under a little blur, too.
    assert told(found, "blurred, 0.5", "mean IoU") > 0.7
    assert told(found, "black", "mean IoU") < 0.3
    row = found.row("as drawn", "mean IoU")
    assert row is not None
    assert row.low is not None
    assert row.low < row.value


def test_a_blur_keeps_the_mean() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3)).astype(np.uint8)
    assert abs(blurred(picture, 2.0).mean() - picture.mean()) < 2
    assert blurred(picture, 2.0).std() < 0.3 * picture.std()
