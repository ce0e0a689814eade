"""The tasks of the world of Jules: OMP_NUM_THREADS=1 python benchmarks/bench_game_tasks.py [JUDGE] [AUTOENCODER]

Straight from the game, without files, on plays that the judge that comes with Marey (or the one in the folder JUDGE)
never saw: the judge of events with its negative controls; retrieval between video, text and sound, with towers that are
trained here; semantic maps read from pictures, blurred ones, and those that an autoencoder gives back. CPU seconds.
"""

import sys
import time
from pathlib import Path

import numpy as np
from jules import plays, windows

from marey.evaluate.judges import SHIPPED, Events
from marey.evaluate.record import Evaluation
from marey.evaluate.tasks import judge_events, judge_labels, judge_retrieval, reconstructed
from marey.worlds.game import clip
from marey.worlds.game.tiles import LABELS

SEED = 777
TRIED, PAIRED, DRAWN = 100, 600, 300
STEPS = 300


def events(judge: Events) -> None:
    held = list(plays(SEED, 0, TRIED))
    for frames in (96, 48):
        found = judge_events(judge, windows(held, frames))
        print(f"\n{found.n} clips of {frames} frames, {found.groups} levels")
        print(f"{'event':<22}{'balanced accuracy':>28}{'found':>9}{'falsely':>9}")
        for row in found.rows:
            name = row.metric.removeprefix("balanced accuracy, ")
            if name != row.metric:
                hit, false = (found.row("clips", f"{what}, {name}") for what in ("found", "falsely found"))
                assert hit is not None
                assert false is not None
                ends = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
                print(f"{name:<22}{ends:>28}{hit.value:>9.3f}{false.value:>9.3f}   {hit.n} with it")
        for method in ("clips", "shuffled", "frozen", "reversed"):
            mean, asked = (found.row(method, what) for what in ("balanced accuracy", "asked and found"))
            assert mean is not None
            assert asked is not None
            print(f"{method:<22}{mean.value:>12.3f} on the mean; asked and found {asked.value:.3f}")
        error = found.row("clips", "calibration error")
        assert error is not None
        print(f"calibration error {error.value:.3f}; too rare: {', '.join(gap['metric'] for gap in found.absent)}")


def retrieval(judge: Events) -> None:
    known = windows(list(plays(SEED, 10_000, PAIRED)), 96, sound=True)
    found = judge_retrieval(known, judge, steps=STEPS, heldout=1000 / len(known))
    print(
        f"\ntrained on {found.protocol['trained on']} clips; {found.n} candidates, "
        f"{found.protocol['distinct texts']} distinct texts"
    )
    for method in dict.fromkeys(row.method for row in found.rows):
        cells = [found.row(method, name) for name in ("R@1", "R@5", "R@10", "median rank")]
        shares = "".join(f"{100 * row.value:7.1f}" for row in cells[:3] if row)
        last, rank = cells[2], cells[3]
        assert last is not None
        assert rank is not None
        print(f"{method:<26}{shares}   median rank {rank.value:.0f} {rank.note}; at 10: {last.note}")


def labels(autoencoder: Path | None) -> None:
    ways = {}
    if autoencoder is not None:
        import torch

        from marey.train.autoencoder import load_autoencoder

        ways["autoencoder"] = reconstructed(load_autoencoder(autoencoder, torch.device("cpu")))
    drawn = [next(iter(clip(SEED, 100_000 + number, 1).pictures(64))) for number in range(DRAWN)]
    pictures, maps = np.stack([one.rgb for one in drawn]), np.stack([one.labels for one in drawn])
    told: Evaluation = judge_labels(pictures, maps, LABELS, range(DRAWN), steps=200, ways=ways)
    print(f"\nmean IoU over labels, {told.n} pictures held out")
    for row in told.rows:
        if row.metric == "mean IoU":
            print(f"{row.method:<16}{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]")


def main(judge: Path, autoencoder: Path | None) -> None:
    start = time.process_time()
    opened = Events.open(judge)
    for part in (lambda: events(opened), lambda: retrieval(opened), lambda: labels(autoencoder)):
        part()
        print(f"({time.process_time() - start:.0f} CPU seconds so far)", flush=True)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED,
        Path(sys.argv[2]) if len(sys.argv) > 2 else None,
    )
