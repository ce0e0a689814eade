"""The wall time and the peak memory of each step of a run, as a table for docs/benchmarks.md.

    python benchmarks/demo_steps.py demo/samples/library/runs/tiny

The figures are those that `marey run` wrote down while it worked: seconds of the step, and the most memory that the
process and its workers held together, sampled four times a second.
"""

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def main(folder: Path) -> None:
    """Print the table."""
    steps = json.loads((folder / "steps.json").read_text(encoding="utf-8"))
    print(f"{platform.machine()}, {cores()}, Python {platform.python_version()}, {packages()}\n")
    print("| step | seconds | peak MB |\n|---|---:|---:|")
    for row in steps:
        print(f"| {row['step']} | {row['seconds']:.1f} | {row['peak_mb']} |")
    print(f"| all | {sum(row['seconds'] for row in steps):.1f} | {max(row['peak_mb'] or 0 for row in steps)} |")


def cores() -> str:
    """The processor and how many of its cores are here."""
    import os

    name = platform.processor() or "processor"
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        name = names[0] if names else name
    return f"{os.cpu_count()} cores of {name}"


def packages() -> str:
    """The versions that matter."""
    found = []
    for name in ("torch", "av", "opencv-python-headless"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
