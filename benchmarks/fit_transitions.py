"""Fit the judge of transitions: compose edits, collect the evidence of all candidates, fit, write judge.safetensors.

`python benchmarks/fit_transitions.py FOLDER` fetches what packages hold into FOLDER/media (add Debian's opencv-doc
clips and others with a shots.json there: the committed weights were fitted on more than a registry has), and keeps all
edits as traces in FOLDER. Needs the extra `train`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from edited import fetched, make_edit, make_passing, make_single, sources, traced
from safetensors.numpy import save_file

from marey.curate import transitions
from marey.curate.evidence import NAMES, evidence
from marey.curate.features import Area
from marey.curate.judge import FAR, FILE, WAYS
from marey.recipe import Transitions
from marey.worlds import confounders

HIDDEN, MEMBERS, STEPS, BATCH = 12, 5, 400, 512
FALSE_COST = 2.0
"""A shot that is split, again and again wherever something moves, costs more than a transition that is missed."""
ABSENT, HIT, MISS = -1.0, 0.5, 0.1
"""Overlap (intersection over union) with a true transition from which a candidate is one, and below which none."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--edits", type=int, default=330)
    parser.add_argument("--singles", type=int, default=200)
    parser.add_argument("--passing", type=int, default=100)
    parser.add_argument("--out", type=Path, default=FILE)
    said = parser.parse_args()
    torch.set_num_threads(1)
    bank = sources("fit", fetched(said.folder / "media"), said.folder / "decoded")
    rows: list[tuple[str, np.ndarray, bool]] = []
    for n in range(said.edits):
        rows += labelled(*traced(said.folder / f"fit/{n:04d}", lambda out, n=n: make_edit(n, bank, out), keep=False))
    real = [one for one in bank if one.real]
    kinds = ("plain", "plain", "plain", *confounders.KINDS)
    for n in range(said.singles):
        kind, pool = kinds[n % len(kinds)], real if n % 3 else bank
        make = lambda out, n=n, kind=kind, pool=pool: make_single(n, pool, kind, out)  # noqa: E731
        rows += labelled(*traced(said.folder / f"fit-single/{n:04d}", make, keep=False))
    for n in range(said.passing):
        pool = real if n % 4 else bank
        make = lambda out, n=n, pool=pool: make_passing(n, pool, out)  # noqa: E731
        rows += labelled(*traced(said.folder / f"fit-passing/{n:04d}", make, keep=False))
    tensors: dict[str, np.ndarray] = {}
    for way in WAYS:
        numbers = np.stack([x for name, x, _ in rows if name == way])
        labels = np.array([y for name, _, y in rows if name == way])
        print(f"{way}: {len(labels)} candidates, {labels.sum()} of them transitions")
        tensors |= {f"{way}.{name}": np.ascontiguousarray(value, np.float32) for name, value in fit(numbers, labels)}
    save_file(tensors, str(said.out), {"evidence": ",".join(NAMES)})


def labelled(luma: np.ndarray, chroma: np.ndarray, fps: float, info: dict) -> list[tuple[str, np.ndarray, bool]]:
    """Way, evidence and truth of the candidates of one video; those that half hit a transition are left out."""
    stride, longest = transitions.scale(fps, Transitions())
    rows = []
    for one, features, step, way in transitions.proposed(luma, chroma, Area.of(luma), stride, longest):
        same = transitions.BLINK if one.kind == "fade" else transitions.SAME
        if features.alike_shifted(one.a_end, one.b_start) > same:
            continue
        overlap, kind = _hit(step * one.a_end, step * one.b_start, info["truth"])
        is_one = overlap >= HIT or (one.kind == "cut" and overlap > 0)
        # What a window of one kind has of another kind of transition is that kind's to find.
        is_one = is_one and (way in ("cut", "short") or kind == one.kind)
        is_none = overlap == ABSENT or (one.kind != "cut" and overlap < MISS)
        if is_one or is_none:
            rows.append((way, evidence(features, one), is_one))
    return rows


def _hit(a_end: int, b_start: int, truth: list[dict]) -> tuple[float, str]:
    """Overlap with the true transition that is hit most, and its kind; ABSENT where none is near."""
    best = ABSENT, ""
    for true in truth:
        # Near enough to be matched by the protocol of TransNetV2.
        if a_end - 0.5 <= true["b_start"] + 0.5 and true["a_end"] - 0.5 <= b_start + 0.5:
            both = min(b_start, true["b_start"]) - max(a_end, true["a_end"])
            either = max(b_start, true["b_start"]) - min(a_end, true["a_end"])
            best = max(best, (max(both / either, 0.001), true["kind"]))
    return best


def fit(numbers: np.ndarray, labels: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The tensors of one judge: `MEMBERS` networks of one layer, their scores averaged, which is one network again."""
    mean, deviation = numbers.mean(axis=0), numbers.std(axis=0) + 1e-6
    x = torch.tensor(np.clip((numbers - mean) / deviation, -FAR, FAR), dtype=torch.float32)
    y = torch.tensor(labels, dtype=torch.float32)
    layers = []
    for seed in range(MEMBERS):
        torch.manual_seed(seed)
        first, second = torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.Linear(HIDDEN, 1)
        network = torch.nn.Sequential(torch.nn.Dropout(0.1), first, torch.nn.Tanh(), second)
        optimizer = torch.optim.AdamW(network.parameters(), 0.02, weight_decay=0.2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for _ in range(STEPS):
            chosen = torch.randint(len(x), (min(BATCH, len(x)),))
            # Noise and soft labels: what is the same but for a hair in unseen footage must be judged alike.
            score = network(x[chosen] + 0.1 * torch.randn(len(chosen), x.shape[1])).squeeze(1)
            costs = torch.nn.functional.binary_cross_entropy_with_logits(
                score, 0.98 * y[chosen] + 0.01, reduction="none"
            )
            loss = (costs * torch.where(y[chosen] > 0, 1.0, FALSE_COST)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        layers.append([tensor.detach().numpy() for tensor in (first.weight, first.bias, second.weight[0], second.bias)])
    hidden, hidden_bias, weight, bias = (np.concatenate(parts) for parts in zip(*layers, strict=True))
    return [
        ("mean", mean),
        ("deviation", deviation),
        ("hidden", hidden),
        ("hidden_bias", hidden_bias),
        ("weight", weight / MEMBERS),
        ("bias", bias.mean(keepdims=True)),
    ]


if __name__ == "__main__":
    main()
