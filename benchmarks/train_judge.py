"""Makes the judge that comes with the package: OMP_NUM_THREADS=1 python benchmarks/train_judge.py FOLDER

Trained on plays of the world of Jules, its thresholds fitted on plays in other levels, and tried on plays in yet
others. It takes ten minutes of one core.
"""

import sys
import time
from pathlib import Path

import numpy as np
from jules import plays, windows

from marey.evaluate.judges import Events
from marey.evaluate.tasks import judge_events

SEED, PLAYS, FITTED, TRIED, STEPS = 90210, 700, 80, 120, 1200


def main(folder: Path, count: int, steps: int) -> None:
    start = time.process_time()

    def said(text: str) -> None:
        line = f"{time.process_time() - start:6.0f} s  {text}"
        print(line, flush=True)
        with (folder / "train.log").open("a") as log:
            log.write(line + "\n")

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.log").write_text(f"python benchmarks/train_judge.py FOLDER {count} {steps}\n")

    some = list(plays(SEED, 0, count))
    sets = [windows(some, 96), windows(some, 48)]
    del some
    said(f"{count} plays of 384 frames made: {len(sets[0])} clips of 96 frames, {len(sets[1])} of 48")
    losses: list[float] = []

    def told(step: int, loss: float) -> None:
        losses.append(loss)
        if (step + 1) % 100 == 0:
            said(f"step {step + 1:5}  loss {np.mean(losses[-100:]):.4f}")

    judge = Events.trained(sets, steps=steps, seed=0, told=told)
    judge.card.update(
        {
            "world": "jules 1",
            "plays": count,
            "play_seed": SEED,
            "command": f"python benchmarks/train_judge.py FOLDER {count} {steps}",
        }
    )
    said("trained")
    del sets
    apart = list(plays(SEED, 2_000_000, FITTED))
    judge = judge.fitted([windows(apart, 96), windows(apart, 48)])
    judge.save(folder)
    said(f"thresholds fitted on {FITTED} other plays")
    judge = Events.open(folder)
    held = list(plays(SEED, 1_000_000, TRIED))
    for frames in (96, 48):
        said(str(judge_events(judge, windows(held, frames))))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else PLAYS,
        int(sys.argv[3]) if len(sys.argv) > 3 else STEPS,
    )
