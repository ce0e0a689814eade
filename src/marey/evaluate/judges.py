"""Judges for worlds with known truth: trained on clips of which all is known, asked about clips that a model made.

`Events` says what happens in a clip; `Labels` reads the semantic map from colours. Both take uint8 RGB, are trained
from nothing by a seed, and are told apart from the measures that published tables use by their own names. They need
the extra 'train'.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marey.errors import MareyError, require
from marey.evaluate.known import EVENTS, MOMENTS, RATE, THINGS, WEIGHTS, Known, mirrored, pictures, shown
from marey.evaluate.learning import fit, mixed, networks, seeded
from marey.progress import Progress, silent

SHIPPED = Path(__file__).with_name("jules")
"""The folder of the judge that comes with the package: of the world of Jules."""
_PICTURES = 384
_COMMON = 0.1  # events rarer than this share of clips are drawn more often
_EIGHTFOLD = 8.0


@dataclass(frozen=True)
class Events:
    """A classifier of what happens in a clip; several things may."""

    names: tuple[str, ...]
    card: dict[str, Any]
    _reader: Any

    @classmethod
    def trained(
        cls,
        sets: Sequence[Known],
        *,
        steps: int,
        seed: int,
        names: Sequence[str] = EVENTS,
        mirror: bool = True,
        batch: int = _PICTURES,
        progress: Progress = silent,
        told: Callable[[int, float], None] | None = None,
    ) -> "Events":
        """Trained on sets of clips; the clips of a set have one length, and sets of several lengths make a judge of
        all of them.

        Clips with rare events are drawn more often; clips are mirrored (right becomes left), blurred, made noisy and
        made to stutter by chance, for clips that a model makes are not sharp.

        Args:
            steps: of training.
            names: of the events.
            mirror: whether what is mirrored is as true, with the sides of its names changed.
            batch: pictures in a step; 384 of them take 0.3 CPU seconds on one core that multiplies in bfloat16.
            told: is given each step and its loss.
        """
        import torch

        names = tuple(names)
        reader = seeded(seed, lambda: networks().EventReader(len(names), len(MOMENTS), THINGS))
        reader.to(memory_format=torch.channels_last)
        wanted = [np.array([[name in each for name in names] for each in one.happened], np.float32) for one in sets]
        chances = [_chances(each) for each in wanted]
        turned = (mirrored(names), mirrored(MOMENTS)) if mirror else None
        rng = np.random.default_rng([seed, 0xE7E])
        weights = torch.from_numpy(WEIGHTS)

        def loss(_: int) -> Any:
            which = int(rng.integers(len(sets)))
            one = sets[which]
            rows = rng.choice(len(one), max(2, batch // one.videos.shape[1]), p=chances[which])
            videos, events = one.videos[rows], wanted[which][rows]
            moments = None if one.moments is None else one.moments[rows]
            cells = None if one.cells is None else one.cells[rows]
            if turned:
                flip = rng.random(len(rows)) < 0.5
                videos[flip] = videos[flip][:, :, :, ::-1]
                events[flip] = events[flip][:, turned[0]]
                if moments is not None:
                    moments[flip] = moments[flip][:, :, turned[1]]
                if cells is not None:
                    cells[flip] = cells[flip][:, :, :, ::-1]
            return reader.loss(
                _worse(videos, rng),
                torch.from_numpy(events),
                None if moments is None else torch.from_numpy(moments).float(),
                weights,
                None if cells is None else torch.from_numpy(cells.astype(np.int32)),
            )

        fit(reader, loss, steps, seed, progress, "training a judge of events", told=told)
        return cls(names, {"steps": steps, "seed": seed}, reader)

    def __call__(self, videos: np.ndarray, fps: float = RATE) -> np.ndarray:
        """How sure it is of each event in each clip, 0..1: float32 (N, names).

        Args:
            videos: uint8 (N, T, H, W, 3) of any size.
            fps: their frames a second.
        """
        import torch

        with torch.inference_mode():
            parts = [torch.sigmoid(self._reader(part)) for part in _batches(videos, fps)]
        return torch.cat(parts).numpy()

    @property
    def thresholds(self) -> np.ndarray:
        """From how sure on an event is found: float32 (names,). A half, unless `fitted` chose others."""
        chosen = self.card.get("thresholds", {})
        return np.array([chosen.get(name, 0.5) for name in self.names], np.float32)

    def fitted(self, sets: Sequence[Known]) -> "Events":
        """The same judge with the thresholds at which the balanced accuracy on some clips is best, for events with ten
        cases or more there. They must be clips that it is neither trained nor tried on.
        """
        sure = np.concatenate([self(one.videos) for one in sets])
        true = np.array([[name in each for name in self.names] for one in sets for each in one.happened])
        levels = np.linspace(0.02, 0.98, 97)
        chosen = {}
        for n, name in enumerate(self.names):
            there, absent = np.sort(sure[true[:, n], n]), np.sort(sure[~true[:, n], n])
            if min(len(there), len(absent)) < 10:
                continue
            hit = 1 - np.searchsorted(there, levels, side="right") / len(there)
            right = np.searchsorted(absent, levels, side="right") / len(absent)
            # The middle of all that are as good as the best: a few clips tell it no better.
            best = np.flatnonzero(hit + right >= (hit + right).max() - 0.005)
            chosen[name] = round(float(levels[best].mean()), 3)
        return Events(self.names, {**self.card, "thresholds": chosen}, self._reader)

    def watch(self, videos: np.ndarray, fps: float = RATE) -> np.ndarray:
        """What it knows of each picture, float32 (N, T, 128): for the towers of retrieval."""
        import torch

        with torch.inference_mode(), mixed():
            parts = [self._reader.watcher(part)[0] for part in _batches(videos, fps)]
        return torch.cat(parts).numpy()

    def save(self, folder: str | Path) -> None:
        """Write judge.safetensors, in float16, and judge.json."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            key: value.half().contiguous() if value.is_floating_point() else value
            for key, value in self._reader.state_dict().items()
        }
        save_file(state, folder / "judge.safetensors")
        card = {"names": list(self.names), **self.card}
        (folder / "judge.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def open(cls, folder: str | Path = SHIPPED) -> "Events":
        """A judge that was saved; the one that comes with the package if no folder is given.

        Raises:
            MareyError: there is none in it.
        """
        require("torch", "train")
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = Path(folder)
        try:
            card = json.loads((folder / "judge.json").read_text(encoding="utf-8"))
            state = load_file(folder / "judge.safetensors")
            names = tuple(card.pop("names"))
            reader = networks().EventReader(len(names), len(MOMENTS), THINGS)
            reader.load_state_dict(
                {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
            )
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise MareyError(
                f"{folder} holds no judge of events ({error}): one that Events.save wrote would do."
            ) from error
        return cls(names, card, reader.eval().requires_grad_(False))


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

        reader = seeded(seed, lambda: networks().LabelReader(count)).to(memory_format=torch.channels_last)
        shares = np.bincount(labels.ravel(), minlength=count) / labels.size
        weight = torch.tensor(np.where(shares > 0, (shares + 1e-3) ** -0.5, 0), dtype=torch.float32)
        rng = np.random.default_rng([seed, 0x1AB])
        batch = min(48, len(pictures))

        def loss(_: int) -> Any:
            rows = rng.choice(len(pictures), batch, replace=False)
            wanted = torch.from_numpy(labels[rows].astype(np.int64))
            return torch.nn.functional.cross_entropy(reader(_unit(pictures[rows])).float(), wanted, weight=weight)

        fit(reader, loss, steps, seed, progress, "training a reader of labels")
        return cls(count, reader)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Labels uint8 (N, H, W)."""
        import torch

        with torch.inference_mode():
            parts = [self._reader(_unit(pictures[n : n + 64])).argmax(1) for n in range(0, len(pictures), 64)]
            return torch.cat(parts).numpy().astype(np.uint8)


def semantic_iou(found: np.ndarray, true: np.ndarray, count: int) -> dict[int, float]:
    """Intersection over union of each label that is there, over all pixels together."""
    pairs = np.bincount(true.astype(np.int64).ravel() * count + found.ravel(), minlength=count * count)
    table = pairs.reshape(count, count)
    union = table.sum(0) + table.sum(1) - table.diagonal()
    return {n: float(table[n, n] / union[n]) for n in range(count) if table[n].sum()}


def _batches(videos: np.ndarray, fps: float) -> Any:
    """Videos as the reader sees them, some at a time."""
    import torch

    if videos.ndim != 5 or videos.shape[-1] != 3 or videos.dtype != np.uint8:
        raise ValueError(f"videos {videos.dtype} {videos.shape}: uint8 (N, T, H, W, 3) would do")
    at = shown(videos.shape[1], fps)
    some = max(1, 2 * _PICTURES // len(at))
    for n in range(0, len(videos), some):
        yield torch.from_numpy(np.stack([pictures(video[at]) for video in videos[n : n + some]]))


def _chances(wanted: np.ndarray) -> np.ndarray:
    """How often each clip is drawn: more often if something rare happens in it."""
    share = wanted.mean(0)
    rarity = np.where(share > 0, np.minimum(_COMMON / np.maximum(share, 1e-6), _EIGHTFOLD), 0)
    weight = (wanted * rarity).max(1) + 0.3
    return np.asarray(weight / weight.sum())


def _worse(videos: np.ndarray, rng: np.random.Generator) -> Any:
    """Videos uint8 (B, T, H, W, 3) as floats in -1..1, some of them blurred, noisy, of another brightness, or
    stuttering as one of fewer frames a second does."""
    import torch

    x = torch.from_numpy(videos).float() / 127.5 - 1
    count, frames, size = x.shape[:3]
    for n in range(count):
        if rng.random() < 0.25:
            slower = rng.uniform(5, RATE) / RATE
            at = np.round(np.round(np.arange(frames) * slower) / slower).astype(int).clip(0, frames - 1)
            x[n] = x[n, at]
        if rng.random() < 0.3:
            low = int(rng.integers(size // 2, size))
            small = torch.nn.functional.interpolate(x[n].permute(0, 3, 1, 2), size=(low, low), mode="area")
            x[n] = torch.nn.functional.interpolate(small, size=(size, size), mode="bilinear").permute(0, 2, 3, 1)
        if rng.random() < 0.3:
            x[n] += torch.from_numpy(rng.normal(0, rng.uniform(0, 0.08), x[n].shape).astype(np.float32))
        if rng.random() < 0.3:
            x[n] = x[n] * rng.uniform(0.85, 1.15) + rng.uniform(-0.1, 0.1)
    return x


def _unit(pictures: np.ndarray) -> Any:
    import torch

    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x.contiguous(memory_format=torch.channels_last)
