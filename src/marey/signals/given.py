"""The user's own models for signals, looked up before anything is computed: where they lie, and what they are named."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from marey.errors import MareyError
from marey.recipe import Models


@dataclass(frozen=True)
class Given:
    """What the user gave; empty texts: nothing."""

    clip: str = ""
    """The folder of a CLIP model."""
    clip_name: str = ""
    """The folder's name with a hash of its weights and settings: what its embeddings are stored under."""
    head: str = ""
    """The file of an aesthetic head."""
    head_sha256: str = ""
    raft: str = ""
    """The file of a RAFT."""
    raft_sha256: str = ""
    preference: str = ""
    """The file of a head that was fitted to people's votes."""
    preference_sha256: str = ""
    text: str = "marey"
    """What counts as text: a name of `text.SETTINGS`."""


def resolve(models: Models) -> Given:
    """Where the given models lie. A hub id is downloaded; nothing else ever is.

    Raises:
        MareyError: there is no such folder, hub id or file, or the file is not the one that was meant.
        MissingExtra: a hub id without the packages to fetch it.
    """
    clip, name = _clip(models.clip) if models.clip is not None else ("", "")
    head, head_sha256 = _file("looks_head", models.looks_head, models.looks_head_sha256)
    raft, raft_sha256 = _file("raft", models.raft, models.raft_sha256)
    preference, preference_sha256 = _file("preference_head", models.preference_head, None)
    return Given(clip, name, head, head_sha256, raft, raft_sha256, preference, preference_sha256, models.text)


def _clip(said: str) -> tuple[str, str]:
    """The folder of a CLIP, and what its embeddings are stored under."""
    folder = Path(said).expanduser()
    if not folder.is_dir():
        folder = _downloaded(said)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise MareyError(f"{folder} holds no safetensors: a CLIP folder as transformers saves it would do.")
    told = [folder / name for name in ("config.json", "preprocessor_config.json")]
    digests = [_sha256(path) for path in [*weights, *(path for path in told if path.is_file())]]
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()[:12]
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", Path(said).name).strip("-")[:48]
    return str(folder.absolute()), f"clip-{plain}-{whole}"


def _file(key: str, said: str | None, wanted: str | None) -> tuple[str, str]:
    """A file of weights and its sha256; empty texts of none."""
    if said is None:
        return "", ""
    path = Path(said).expanduser()
    if not path.is_file():
        raise MareyError(f"curate.models.{key} is {path}, which is not there: a .safetensors or .pth would do.")
    found = _sha256(path)
    if wanted is None and path.suffix != ".safetensors":
        raise MareyError(
            f"{path} is a pickle, which is read only by a known sha256: give curate.models.{key}_sha256 as its "
            "publisher states it, or the same weights as safetensors."
        )
    if wanted is not None and found != wanted.lower():
        raise MareyError(f"{path} has the sha256 {found}, not {wanted}: it was not opened.")
    return str(path.absolute()), found


def absent(modules: tuple[str, ...]) -> str:
    """What to install where a signal's packages are not all here; empty if they are."""
    lacking = [module for module in modules if find_spec(module) is None]
    if not lacking:
        return ""
    return f"{lacking[0]} is not installed: this signal needs the extra 'features': pip install \"marey[features]\""


def package_file(package: str, *parts: str) -> Path:
    """A file inside an installed package, which is not imported for it.

    Raises:
        MareyError: there is no such package.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MareyError(absent((package,)) or f"{package} is no package.")
    return Path(next(iter(spec.submodule_search_locations)), *parts)


def pinned(path: Path, sha256: str) -> Path:
    """The path, once its content is the one that is meant.

    Raises:
        MareyError: it is not there, or is another file.
    """
    if not path.is_file():
        raise MareyError(f"{path} is not there: install its package anew.")
    found = _sha256(path)
    if found != sha256:
        raise MareyError(f"{path} has the sha256 {found}, not the pinned {sha256}: it was not opened.")
    return path


def _downloaded(name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", name):
        raise MareyError(f"curate.models.clip is {name!r}, which is no folder: a CLIP folder or a hub id would do.")
    if find_spec("huggingface_hub") is None:
        raise MareyError(absent(("huggingface_hub",)))
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.txt", "model*.safetensors", "*.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:
        raise MareyError(
            f"{name} is no folder here, and could not be fetched as a hub id ({type(error).__name__}): "
            "a folder with the model would do."
        ) from error


def _sha256(path: Path) -> str:
    return _hashed(os.fspath(path), path.stat().st_size, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _hashed(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
