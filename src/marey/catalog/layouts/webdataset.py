"""Tar shards, bucketed by size and length: each sample is ID.mp4, ID.txt and ID.json, in this order.

The same samples give the same bytes. A shard is written whole or not at all, and one whose samples are as they were is
not written again.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from marey.catalog.layouts.layout import Written, frame_bucket
from marey.catalog.replace import replace_file, replace_text
from marey.catalog.sample import Sample
from marey.recipe import Export

INDEX = "shards.json"
PARTS = ".marey/parts"
_BLOCK = 512


class WebDataset:
    """shards/WxHxFRAMES-N.tar, and shards.json that says what lies in which."""

    name, clips, needs = "webdataset", PARTS, None

    def write(self, folder: Path, samples: Sequence[Sample], settings: Export) -> Written:
        """The shards. The clips' own files are spent then."""
        buckets: dict[tuple[int, int, int], list[Sample]] = {}
        for sample in samples:
            key = (sample.width, sample.height, frame_bucket(sample.frames, settings.frames))
            buckets.setdefault(key, []).append(sample)
        index = []
        for (width, height, frames), members in sorted(buckets.items()):
            for n, group in enumerate(_shards(folder, members, settings.shard_megabytes * 2**20)):
                name = f"shards/{width}x{height}x{frames}-{n:06}.tar"
                _shard(folder, name, group)
                index.append(
                    {
                        "file": name,
                        "width": width,
                        "height": height,
                        "frames": frames,
                        "samples": len(group),
                        "bytes": (folder / name).stat().st_size,
                    }
                )
        replace_text(folder / INDEX, json.dumps(index, indent=1) + "\n")
        files = (INDEX, *(str(row["file"]) for row in index))
        return Written(files, ("shards/*.tar",), tuple(sample.file for sample in samples))


def _shards(folder: Path, samples: Sequence[Sample], most: float) -> list[list[Sample]]:
    """Samples in groups of at most so many bytes, in their order; one that is larger has a group of its own."""
    groups: list[list[Sample]] = []
    room = 0.0
    for sample in samples:
        size = sum(-(-length // _BLOCK) * _BLOCK + _BLOCK for length in _lengths(folder, sample))
        if not groups or size > room:
            groups.append([])
            room = most
        groups[-1].append(sample)
        room -= size
    return groups


def _lengths(folder: Path, sample: Sample) -> tuple[int, int, int]:
    return (folder / sample.file).stat().st_size, len(_text(sample)), len(_json(sample))


def _shard(folder: Path, name: str, samples: Sequence[Sample]) -> None:
    made_of = hashlib.sha256()
    for sample in samples:
        made_of.update(f"{sample.clip} {(folder / sample.file).stat().st_size} {sample.mode}".encode())
        made_of.update(_text(sample) + _json(sample))
        made_of.update(hashlib.sha256((folder / sample.file).read_bytes()).digest())
    done = folder / ".marey" / f"{name}.json"
    size = (folder / name).stat().st_size if (folder / name).is_file() else -1
    state = json.dumps({"samples": made_of.hexdigest(), "bytes": size})
    if size >= 0 and done.is_file() and done.read_text(encoding="utf-8") == state:
        return

    def pack(path: Path) -> None:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for sample in samples:
                with (folder / sample.file).open("rb") as video:
                    _add(tar, f"{sample.clip}.mp4", video, (folder / sample.file).stat().st_size)
                for ending, data in (("txt", _text(sample)), ("json", _json(sample))):
                    _add(tar, f"{sample.clip}.{ending}", io.BytesIO(data), len(data))

    replace_file(folder / name, pack)
    size = (folder / name).stat().st_size
    replace_text(done, json.dumps({"samples": made_of.hexdigest(), "bytes": size}))


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)  # no owner, no time: the same bytes wherever and whenever
    member.size, member.mode = size, 0o644
    tar.addfile(member, file)


def _text(sample: Sample) -> bytes:
    return sample.caption.encode()


def _json(sample: Sample) -> bytes:
    return json.dumps(sample.known(), ensure_ascii=False, sort_keys=True).encode()
