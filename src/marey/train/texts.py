"""The tokens of clips' captions: made once by a text embedder that is not trained, and kept in the library by it."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch

from marey.catalog import Library
from marey.generate.imagine import told
from marey.network.embedders import TextEmbedder
from marey.progress import Progress, silent
from marey.train.conditions import digest
from marey.train.windows import Window, fingerprint

VERSION = 1
"""Changes whenever the same captions and network would give other tokens."""
_SHARD = 256
"""Windows a shard."""


@torch.no_grad()
def embedded(embedder: TextEmbedder, text: str) -> torch.Tensor:
    """Tokens (N, D) of a text, on the CPU: by itself, so that no batch has a say, and as `Model.imagine` reads it."""
    return embedder([told(text)])[0].float().cpu()


def keep_texts(
    library: Library, windows: Sequence[Window], embedder: TextEmbedder, progress: Progress = silent
) -> Callable[[str], torch.Tensor]:
    """Embed the captions that are missing of these windows, and give the way to all of them: from a caption to its
    tokens (N, D).

    Args:
        library: open for writing, unless nothing is missing.
    """
    kind = f"embedding@text-{fingerprint([VERSION, digest(embedder), embedder.tokenizer.to_str()])}"
    there, where, missing = set(library.places(kind)), {}, []
    for window in windows:
        texts = {text for text, _ in window.captions if text.strip()}
        where.update(dict.fromkeys(texts, window.id))
        if texts and (window.id not in there or not {_name(text) for text in texts} <= _kept(library, kind, window.id)):
            missing.append((window.id, sorted(texts)))
    for first in range(0, len(missing), _SHARD):
        some = missing[first : first + _SHARD]
        library.put_tensors(
            kind, {item: {_name(text): embedded(embedder, text).numpy() for text in texts} for item, texts in some}
        )
        progress("keeping captions", first + len(some), len(missing))

    def of(text: str) -> torch.Tensor:
        found: Any = library.tensor(kind, where[text])
        return torch.from_numpy(found[_name(text)])

    return of


def _kept(library: Library, kind: str, item: str) -> set[str]:
    found: Any = library.tensor(kind, item)
    return set(found)


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
