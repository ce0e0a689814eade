"""Writes src/marey/evaluate/golden.json, what `marey evaluate doctor` compares with, anew.

    python scripts/golden_features.py

Only after the features, a network or a protocol were changed on purpose; their version or id must change with them.
"""

import json

from marey.evaluate.doctor import (
    GOLDEN,
    measured_features,
    measured_network,
    measured_preparation,
    prepared,
)


def main() -> None:
    """The table, a line a fixture."""
    table = {"marey-td": measured_features()}
    table |= {name: measured_network(name) for name in ("i3d-400", "inception", "videomae-g")}
    table |= {id: measured_preparation(id) for id in prepared()}
    lines = [f"{json.dumps(name)}: {json.dumps([float(f'{n:.10g}') for n in found])}" for name, found in table.items()]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
