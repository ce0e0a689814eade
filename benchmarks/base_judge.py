"""A judge of clips as short and as near as the base model's: OMP_NUM_THREADS=1 python benchmarks/base_judge.py [FOLDER]

The judge that comes with Marey was trained on clips of 1.6 and 3.2 seconds of the whole view. This one learns from
other levels than the model does, and is tried on yet others. It takes twelve minutes of one core.
"""

import sys
import time
from pathlib import Path

import numpy as np
from base_clips import SHARES, Chosen, chosen

from marey.evaluate.judges import Events

KEPT = Path(__file__).with_name("base-judge")
"""Where it lies."""
FIRST, CLIPS, PLAYS, STEPS = 500_000, 6000, 1000, 1400
NAMES = (*SHARES, "run left")
"""What it knows: in a mirror each of these is one of them."""
FITTED, TRIED = 600_000, 700_000


def tried(judge: Events, some: Chosen) -> dict[str, float]:
    """How often it finds the event that a clip was chosen for, how often one that is not there, and both as one."""
    sure = judge(np.asarray(some.videos), fps=15) > judge.thresholds
    true = np.array([[name in each for name in judge.names] for each in some.happened])
    asked = np.array([judge.names.index(name) for name in some.asked])
    found = sure[np.arange(len(asked)), asked]
    right = sure == true
    return {
        "asked and found": float(found.mean()),
        "right of all events": float(right.mean()),
        "right where it is there": float(sure[true].mean()),
        "right where it is not": float((~sure)[~true].mean()),
        "shuffled": float(np.mean([sure[np.arange(len(asked)), np.roll(asked, n)].mean() for n in range(1, 40)])),
    } | {f"{name} found": float(found[asked == n].mean()) for n, name in enumerate(judge.names) if (asked == n).any()}


def main(folder: Path) -> None:
    start = time.process_time()
    some = chosen(CLIPS, FIRST, PLAYS, truth=True).known()
    print(f"{time.process_time() - start:.0f} s: {len(some)} clips", flush=True)
    losses: list[float] = []

    def told(step: int, loss: float) -> None:
        losses.append(loss)
        if (step + 1) % 50 == 0:
            print(f"{time.process_time() - start:.0f} s: step {step + 1} loss {np.mean(losses[-50:]):.4f}", flush=True)

    judge = Events.trained([some], steps=STEPS, seed=0, names=NAMES, told=told)
    fitted = chosen(800, FITTED, 150)
    judge = judge.fitted([fitted.known()])
    judge.save(folder)
    for name, value in tried(Events.open(folder), chosen(800, TRIED, 150)).items():
        print(f"{name:28s} {value:.3f}")
    print(f"{time.process_time() - start:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else KEPT)
