"""How long `import marey` and `marey --help` take, beside peers of the field that are installed here.

    python benchmarks/bench_start.py

Each command is a fresh process, run in turn with the others so that a drift of the machine's speed meets all alike;
the median counts.
"""

import importlib.util
import statistics
import subprocess
import sys
import time
from pathlib import Path

import marey

SHIPPED = Path(marey.__file__).parent / "generate" / "marey-tiny"
COMMANDS = {
    "import marey": ("marey", ["-c", "import marey"]),
    "marey --help": ("marey", ["-m", "marey", "--help"]),
    "marey --version": ("marey", ["-m", "marey", "--version"]),
    "from marey.curate import curate": ("marey", ["-c", "from marey.curate import curate"]),
    "from marey.generate import Model": ("torch", ["-c", "from marey.generate import Model"]),
    "marey.Model.open(), marey-tiny": ("marey.generate", ["-c", "import marey; marey.Model.open(device='cpu')"]),
    "peer: from diffusers import StableVideoDiffusionPipeline": (
        "diffusers",
        ["-c", "from diffusers import StableVideoDiffusionPipeline"],
    ),
    "peer: import torch": ("torch", ["-c", "import torch"]),
    "python -c pass": ("sys", ["-c", "pass"]),
}


def main(rounds: int = 7) -> None:
    """Print the median seconds of each, and its ratio to the slowest peer."""
    there = {name: words for name, (module, words) in COMMANDS.items() if importlib.util.find_spec(module)}
    if not SHIPPED.is_dir():
        there.pop("marey.Model.open(), marey-tiny", None)
    seconds: dict[str, list[float]] = {name: [] for name in there}
    for turn in range(rounds + 1):
        for name, words in there.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, capture_output=True)
            if turn:  # the first round warms the disk cache
                seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    peer = max((value for name, value in medians.items() if name.startswith("peer")), default=None)
    print(f"{'command':<60} {'median s':>9} {'min':>7} {'max':>7} {'peer / this':>12}")
    for name, median in medians.items():
        ratio = f"{peer / median:12.1f}" if peer else " " * 12
        print(f"{name:<60} {median:9.3f} {min(seconds[name]):7.3f} {max(seconds[name]):7.3f} {ratio}")


if __name__ == "__main__":
    main()
