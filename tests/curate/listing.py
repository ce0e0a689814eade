"""What an export's lists name, and whether it is there and whole: at any moment, also after a kill."""

import json
import re
import tarfile
from pathlib import Path

import pyarrow.parquet

from marey.media import probe, walk


def listed(out: Path) -> list[str]:
    """The clips that the lists of an export name, each looked at: its file is there, decodes, and has as many bytes as
    were written down when it was done; a shard holds whole samples of three files."""
    named: set[str] = set()
    for path in out.glob("*"):
        if path.suffix in {".json", ".jsonl", ".txt", ".csv", ".toml", ".yaml"} and path.name != "export.json":
            named |= set(re.findall(r"clips/([\w-]+)\.mp4", path.read_text(encoding="utf-8")))
    if (out / "metadata.parquet").exists():
        rows = pyarrow.parquet.read_table(out / "metadata.parquet").to_pylist()
        named |= {Path(row["file_name"]).stem for row in rows}
        assert all((out / "clips" / f"{row['clip']}.txt").read_text(encoding="utf-8") for row in rows)
    for clip in named:
        file = out / "clips" / f"{clip}.mp4"
        told = json.loads((out / ".marey" / "clips" / f"{clip}.json").read_text(encoding="utf-8"))
        assert file.stat().st_size == told["bytes"]
        assert sum(1 for _ in walk(file, 0, 10**9)) == len(probe(file).pts) > 0
    if (out / "shards.json").exists():
        for shard in json.loads((out / "shards.json").read_text(encoding="utf-8")):
            with tarfile.open(out / shard["file"]) as tar:
                samples = [member.name.rpartition(".") for member in tar.getmembers()]
            assert [ending for _, _, ending in samples] == ["mp4", "txt", "json"] * shard["samples"]
            assert (out / shard["file"]).stat().st_size == shard["bytes"]
            named |= {clip for clip, _, _ in samples}
    if (out / "export.json").exists():
        told = json.loads((out / "export.json").read_text(encoding="utf-8"))
        assert {name: (out / name).stat().st_size for name in told["files"]} == told["files"]
        assert set(told["clips"]) == named
    return sorted(named)


def finished(out: Path) -> dict[str, tuple[int, int]]:
    """The clips that are written down as done and whose file is there: its inode and its time of change."""
    found = {}
    for state in (out / ".marey" / "clips").glob("*.json"):
        told = json.loads(state.read_text(encoding="utf-8"))
        for folder in ("clips", ".marey/parts"):
            file = out / folder / f"{state.stem}.mp4"
            if told["status"] == "ok" and file.exists() and file.stat().st_size == told["bytes"]:
                found[state.stem] = (file.stat().st_ino, file.stat().st_mtime_ns)
    return found
