"""Judges for worlds with known truth: trained on clips of which all is known, asked about clips that a model made.

`Dual` learns which text (or sound) belongs to which video; `Events` says what happens in a clip; `Labels` reads the
semantic map from colours. All take uint8 RGB videos (N, T, H, W, 3), are trained from nothing by a seed, and are told
apart from the measures that published tables use by their own names. They need the extra 'train'.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marey.errors import require
from marey.progress import Progress, silent

if TYPE_CHECKING:
    import torch

FRAMES, SIZE = 16, 32
"""A clip is looked at in so many frames, at this height and width."""


@dataclass(frozen=True)
class Dual:
    """Two towers that were trained on pairs: video and text, or video and sound."""

    _towers: Any
    _second: Callable[[Any], "torch.Tensor"]

    @classmethod
    def of_text(
        cls, videos: np.ndarray, texts: Sequence[str], *, steps: int, seed: int, progress: Progress = silent
    ) -> "Dual":
        """Trained on videos (N, T, H, W, 3) and their texts."""
        network = _network()
        words = network.Words(texts)
        towers = _seeded(seed, lambda: network.Towers(network.VideoTower(), network.TextTower(len(words))))
        same = _same(texts)
        return cls._fitted(towers, videos, list(texts), words, same, steps, seed, progress)

    @classmethod
    def of_sound(
        cls, videos: np.ndarray, sounds: np.ndarray, *, steps: int, seed: int, progress: Progress = silent
    ) -> "Dual":
        """Trained on videos and their sounds, float32 (N, samples) in -1..1."""
        network = _network()
        towers = _seeded(seed, lambda: network.Towers(network.VideoTower(), network.SoundTower()))
        return cls._fitted(towers, videos, sounds, _tensor, np.eye(len(videos), dtype=bool), steps, seed, progress)

    @classmethod
    def _fitted(
        cls,
        towers: Any,
        videos: np.ndarray,
        others: Any,
        second: Callable[[Any], "torch.Tensor"],
        same: np.ndarray,
        steps: int,
        seed: int,
        progress: Progress,
    ) -> "Dual":
        import torch

        seen, heard = clips(videos), second(others)
        alike = torch.from_numpy(same)

        def loss(rows: "torch.Tensor") -> "torch.Tensor":
            return towers.loss(seen[rows], heard[rows], alike[rows][:, rows])

        _fit(towers, loss, len(videos), steps, seed, progress, "training a dual encoder")
        return cls(towers, second)

    def similarity(self, videos: np.ndarray, others: Any) -> np.ndarray:
        """Cosines of each video and each text or sound: float32 (N, M)."""
        import torch

        with torch.inference_mode():
            one = torch.cat([self._towers.one(part) for part in clips(videos).split(64)])
            other = self._towers.other(self._second(others))
            norm = torch.nn.functional.normalize
            return (norm(one, dim=-1) @ norm(other, dim=-1).T).numpy()


@dataclass(frozen=True)
class Events:
    """A classifier of what happens in a clip; several things may."""

    names: tuple[str, ...]
    _tower: Any

    @classmethod
    def trained(
        cls,
        videos: np.ndarray,
        happened: Sequence[set[str]],
        names: Sequence[str],
        *,
        steps: int,
        seed: int,
        progress: Progress = silent,
    ) -> "Events":
        """Trained on videos and the names of what happens in each."""
        import torch

        network = _network()
        names = tuple(names)
        tower = _seeded(seed, lambda: network.VideoTower(out=len(names), wide=32))
        seen = clips(videos)
        wanted = torch.tensor([[float(name in each) for name in names] for each in happened])
        rare = ((1 - wanted).sum(0) / wanted.sum(0).clamp(min=1)).clamp(max=10)

        def loss(rows: "torch.Tensor") -> "torch.Tensor":
            return torch.nn.functional.binary_cross_entropy_with_logits(
                tower(seen[rows]), wanted[rows], pos_weight=rare
            )

        _fit(tower, loss, len(videos), steps, seed, progress, "training a classifier of events")
        return cls(names, tower)

    def __call__(self, videos: np.ndarray) -> np.ndarray:
        """How sure it is of each event in each clip, 0..1: float32 (N, names)."""
        import torch

        with torch.inference_mode():
            parts = [torch.sigmoid(self._tower(part)) for part in clips(videos).split(64)]
            return torch.cat(parts).numpy()


@dataclass(frozen=True)
class Labels:
    """Reads the label of every pixel from colours."""

    count: int
    _reader: Any

    @classmethod
    def trained(
        cls, pictures: np.ndarray, labels: np.ndarray, count: int, *, steps: int, seed: int, progress: Progress = silent
    ) -> "Labels":
        """Trained on pictures uint8 (N, H, W, 3) and their labels uint8 (N, H, W), below `count`."""
        import torch

        reader = _seeded(seed, lambda: _network().LabelReader(count))
        seen = _pictures(pictures)
        wanted = torch.from_numpy(labels.astype(np.int64))
        shares = torch.bincount(wanted.flatten(), minlength=count).float() / wanted.numel()
        weight = torch.where(shares > 0, (shares + 1e-3) ** -0.5, torch.zeros(()))

        def loss(rows: "torch.Tensor") -> "torch.Tensor":
            return torch.nn.functional.cross_entropy(reader(seen[rows]), wanted[rows], weight=weight)

        _fit(reader, loss, len(pictures), steps, seed, progress, "training a reader of labels")
        return cls(count, reader)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Labels uint8 (N, H, W)."""
        import torch

        with torch.inference_mode():
            parts = [self._reader(part).argmax(1) for part in _pictures(pictures).split(64)]
            return torch.cat(parts).numpy().astype(np.uint8)


def semantic_iou(found: np.ndarray, true: np.ndarray, count: int) -> dict[int, float]:
    """Intersection over union of each label that is there, over all pixels together."""
    pairs = np.bincount(true.astype(np.int64).ravel() * count + found.ravel(), minlength=count * count)
    table = pairs.reshape(count, count)
    union = table.sum(0) + table.sum(1) - table.diagonal()
    return {n: float(table[n, n] / union[n]) for n in range(count) if table[n].sum()}


def clips(videos: np.ndarray) -> "torch.Tensor":
    """Videos uint8 (N, T, H, W, 3) as the judges see them: float32 (N, 16, 3, 32, 32) in -1..1, frames evenly spaced.

    Raises:
        ValueError: another shape.
    """
    import torch

    if videos.ndim != 5 or videos.shape[-1] != 3 or videos.dtype != np.uint8:
        raise ValueError(f"videos {videos.dtype} {videos.shape}: uint8 (N, T, H, W, 3) would do")
    chosen = np.linspace(0, videos.shape[1] - 1, FRAMES).round().astype(int)
    x = torch.from_numpy(np.ascontiguousarray(videos[:, chosen])).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    if x.shape[-2:] != (SIZE, SIZE):
        x = torch.nn.functional.interpolate(x.flatten(0, 1), size=(SIZE, SIZE), mode="area").unflatten(0, x.shape[:2])
    return x


def _pictures(pictures: np.ndarray) -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _tensor(array: np.ndarray) -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(array))


def _same(texts: Sequence[str]) -> np.ndarray:
    number = {text: n for n, text in enumerate(dict.fromkeys(texts))}
    which = np.array([number[text] for text in texts])
    return np.equal.outer(which, which)


def _network() -> Any:
    require("torch", "train")
    from marey.network import judges

    return judges


def _seeded(seed: int, make: Callable[[], Any]) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _fit(
    module: Any,
    loss: Callable[["torch.Tensor"], "torch.Tensor"],
    count: int,
    steps: int,
    seed: int,
    progress: Progress,
    what: str,
    batch: int = 48,
    lr: float = 2e-3,
) -> None:
    """Adam with a rate that rises for a twentieth of the way and then falls to nothing."""
    import torch

    module.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=1e-2)
    draw = torch.Generator().manual_seed(seed)
    batch = min(batch, count)
    for step in range(steps):
        if step % 20 == 0:
            progress(what, step, steps)
        pace = min(1.0, (step + 1) / (0.05 * steps + 1)) * (1 - step / steps)
        optimizer.param_groups[0]["lr"] = lr * pace
        rows = torch.randperm(count, generator=draw)[:batch]
        value = loss(rows)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
    progress(what, steps, steps)
    module.eval()
