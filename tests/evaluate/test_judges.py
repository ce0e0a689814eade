"""Judges learn what is to be seen, and nothing where nothing is."""

import numpy as np
import pytest

from marey.evaluate.judges import Dual, Events, Labels, clips, semantic_iou
from marey.evaluate.retrieval import retrieval

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 220), "white": (240, 240, 240)}
WAYS = {"left": -1, "right": 1, "nowhere": 0}


def squares(count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Videos (N, 16, 32, 32, 3) of a square of some colour that goes some way, and sentences about them."""
    rng = np.random.default_rng(seed)
    videos, texts = np.full((count, 16, 32, 32, 3), 90, np.uint8), []
    for video in videos:
        colour, way = str(rng.choice(list(COLOURS))), str(rng.choice(list(WAYS)))
        y = int(rng.integers(2, 22))
        for t, frame in enumerate(video):
            x = 12 + WAYS[way] * (t - 8)
            frame[y : y + 8, max(x, 0) : x + 8] = COLOURS[colour]
        texts.append(f"a {colour} square goes {way}")
    return videos, texts


@pytest.mark.slow
def test_a_dual_encoder_finds_texts_and_shuffled_pairs_teach_it_nothing() -> None:
    videos, texts = squares(160, 0)
    unseen, said = squares(60, 1)
    taught = Dual.of_text(videos, texts, steps=60, seed=0)
    assert retrieval(taught.similarity(unseen, said), said, to="text").recall[1].value > 0.7
    shuffled = [texts[n] for n in np.random.default_rng(0).permutation(160)]
    fooled = Dual.of_text(videos, shuffled, steps=60, seed=0)
    told = retrieval(fooled.similarity(unseen, said), said, to="text")
    assert told.recall[1].value < told.chance[1] + 0.2


@pytest.mark.slow
def test_sounds_are_matched_too() -> None:
    videos, texts = squares(120, 2)
    pitch = {name: 300 * 1.6**n for n, name in enumerate(COLOURS)}
    time = np.arange(12800) / 24000
    sounds = np.stack([np.sin(2 * np.pi * pitch[text.split()[1]] * time) for text in texts]).astype(np.float32)
    taught = Dual.of_sound(videos[:90], sounds[:90], steps=40, seed=0)
    colours = [text.split()[1] for text in texts]
    told = retrieval(taught.similarity(videos[90:], sounds[90:]), colours[90:], to="text")
    assert told.recall[1].value > 0.8


def test_events_are_told_and_the_same_seed_gives_the_same_judge() -> None:
    videos, texts = squares(160, 3)
    happened = [{text.split()[1], text.split()[-1]} for text in texts]
    names = (*COLOURS, *WAYS)
    judge = Events.trained(videos[:120], happened[:120], names, steps=50, seed=0)
    true = np.array([[name in each for name in names] for each in happened[120:]])
    assert ((judge(videos[120:]) > 0.5) == true).mean() > 0.93
    again = Events.trained(videos[:40], happened[:40], names, steps=3, seed=5)
    other = Events.trained(videos[:40], happened[:40], names, steps=3, seed=5)
    assert np.array_equal(again(videos[120:]), other(videos[120:]))


def test_labels_are_read_from_colours() -> None:
    videos, texts = squares(60, 4)
    pictures = videos[:, 8]
    number = {colour: n + 1 for n, colour in enumerate(COLOURS)}
    labels = np.stack(
        [(picture != 90).any(-1) * number[text.split()[1]] for picture, text in zip(pictures, texts, strict=True)]
    ).astype(np.uint8)
    reader = Labels.trained(pictures[:40], labels[:40], 5, steps=60, seed=0)
    scores = semantic_iou(reader(pictures[40:]), labels[40:], 5)
    assert min(scores.values()) > 0.6


def test_iou_by_hand() -> None:
    true = np.array([[0, 0, 1, 1], [2, 2, 2, 2]], np.uint8)
    found = np.array([[0, 1, 1, 1], [2, 2, 0, 0]], np.uint8)
    assert semantic_iou(found, true, 4) == {0: 1 / 4, 1: 2 / 3, 2: 1 / 2}


def test_clips_are_brought_to_one_size() -> None:
    videos = np.zeros((2, 40, 64, 48, 3), np.uint8)
    assert clips(videos).shape == (2, 16, 3, 32, 32)
    with pytest.raises(ValueError, match=r"uint8 \(N, T, H, W, 3\) would do"):
        clips(videos[0])
