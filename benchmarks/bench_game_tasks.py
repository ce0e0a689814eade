"""The tasks of the world of Jules, by small judges: python benchmarks/bench_game_tasks.py [CLIPS] [STEPS]

Retrieval between video, text and sound with distinct texts, its ceiling, chance, and shuffled pairs as a negative
control; a classifier of events; labels read from colours, after a reconstruction too (the pictures as JPEG of falling
quality stand for one: any codec of a model goes the same way).
"""

import sys
import time

import cv2
import numpy as np

from marey.evaluate.judges import Dual, Events, Labels, semantic_iou
from marey.evaluate.retrieval import Retrieval, paired_retrieval, retrieval
from marey.worlds.game import clip
from marey.worlds.game.tiles import LABELS

SEED, FRAMES, SIZE = 7, 96, 32
EVENTS = ("coin", "gem", "stomp", "killed", "climb", "duck", "run")


def line(name: str, told: Retrieval) -> None:
    cells = " ".join(f"{100 * told.recall[k].value:6.1f}" for k in told.recall)
    chance = " ".join(f"{100 * told.chance[k]:5.2f}" for k in told.chance)
    ceiling = " ".join(f"{100 * told.ceiling[k]:5.1f}" for k in told.ceiling)
    rank = f"median rank {told.median_rank:.0f} of {told.candidates}"
    print(f"{name:<34}{cells}   chance {chance}   ceiling {ceiling}   {rank}")


def main(count: int, steps: int) -> None:
    start = time.perf_counter()
    held = max(100, count // 5)
    clips = [clip(SEED, number, FRAMES) for number in range(count + held)]
    videos = np.stack([one.frames(SIZE)[::6] for one in clips])
    texts = [one.text for one in clips]
    sounds = np.stack([one.sound() for one in clips])
    print(f"{count} clips to train on, {held} held out, {len(set(texts))} distinct texts of {len(texts)}")
    print(f"made in {time.perf_counter() - start:.0f} s\n")
    print(f"{'recall, %':<34}{'R@1':>6} {'R@5':>6} {'R@10':>6}")
    seen, said = videos[count:], texts[count:]
    text = Dual.of_text(videos[:count], texts[:count], steps=steps, seed=0).similarity(seen, said)
    line("video to text, distinct", retrieval(text, said, to="text"))
    line("text to video, distinct", retrieval(text, said, to="video"))
    line("video to text, paired", paired_retrieval(text, said, to="text"))
    line("text to video, paired", paired_retrieval(text, said, to="video"))
    shuffled = np.random.default_rng(0).permutation(held)
    line("video to text, shuffled pairs", retrieval(text[:, shuffled], said, to="text"))
    sound = Dual.of_sound(videos[:count], sounds[:count], steps=steps, seed=0).similarity(seen, sounds[count:])
    each = list(range(held))
    line("video to sound", retrieval(sound, each, to="text"))
    line("sound to video", retrieval(sound, each, to="video"))

    happened = [{deed.verb for deed in one.deeds} for one in clips]
    judge = Events.trained(videos[:count], happened[:count], EVENTS, steps=steps, seed=0)
    sure = judge(seen) > 0.5
    print(f"\n{'event':<12}{'share':>8}{'right':>8}{'found':>8}{'false':>8}   (%)")
    for n, name in enumerate(EVENTS):
        true = np.array([name in each for each in happened[count:]])
        cells = (true.mean(), (sure[:, n] == true).mean(), sure[true, n].mean(), sure[~true, n].mean())
        print(f"{name:<12}" + "".join(f"{100 * value:8.1f}" for value in cells))

    pictures = [next(iter(one.pictures(64))) for one in clips[: count + held]]
    colours, labels = np.stack([one.rgb for one in pictures]), np.stack([one.labels for one in pictures])
    reader = Labels.trained(colours[:count], labels[:count], len(LABELS), steps=steps, seed=0)
    print("\nmean IoU of the labels that are there")
    for quality in (None, 90, 50, 20, 5):
        again = colours[count:] if quality is None else np.stack([jpeg(one, quality) for one in colours[count:]])
        scores = semantic_iou(reader(again), labels[count:], len(LABELS))
        name = "as drawn" if quality is None else f"JPEG at {quality}"
        print(f"{name:<12}{np.mean(list(scores.values())):8.3f}")
    print(f"\n{time.perf_counter() - start:.0f} s in all")


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, int(sys.argv[2]) if len(sys.argv) > 2 else 600)
