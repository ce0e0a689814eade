"""The tasks of a world of which all is known: does what the text says happen, what belongs together, and what survives
a reconstruction. Each gives records with intervals, and beside them what a judge must fail at.

`judge_events`   a classifier of events, on clips whose texts say what happens: known ones, or made ones
`judge_retrieval`  video, text and sound find each other among clips of unseen levels
`judge_labels`   the semantic map, read from pictures as drawn, blurred, and gone through an autoencoder

The task of events and the split are those of MUGEN (Hayes et al. 2022, arXiv 2204.08058), with texts that may repeat
taken into account.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np

from marey.evaluate.calibration import ece
from marey.evaluate.intervals import Interval, cluster_bootstrap, wilson
from marey.evaluate.judges import Events, Labels, semantic_iou
from marey.evaluate.known import Known
from marey.evaluate.record import Evaluation, Row, made_row, versions
from marey.evaluate.retrieval import Retrieval, paired_retrieval, retrieval
from marey.evaluate.towers import Towers
from marey.progress import Progress, silent

HAPPENED = "marey/events-1"
FOUND = "marey/retrieval-1"
MAPPED = "marey/labels-1"
LEAST = 20
"""Clips with an event, and without, under which nothing is said of it."""
SIGMAS = (0.5, 1.0, 2.0, 4.0)
"""Of the blurs that pictures are judged at, in pixels at 64."""


def judge_events(
    judge: Events,
    known: Known,
    *,
    least: int = LEAST,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Whether what the texts say happens in the clips, by a judge that does not read them.

    Of each event with cases enough: the share of the clips that ask for it in which it is found, the share of the
    others in which it is found too, and the mean of the first and one minus the second. Beside the clips as they are
    stand three in which the judge must find less: with the texts of other clips, with the first picture held, and
    backwards.
    """
    shown = {
        "clips": known.videos,
        "frozen": np.repeat(known.videos[:, :1], known.videos.shape[1], axis=1),
        "reversed": known.videos[:, ::-1],
    }
    sure = {}
    for n, (method, videos) in enumerate(shown.items()):
        progress("looking for events", n, len(shown))
        sure[method] = judge(videos)
    asked = np.array([[name in each for name in judge.names] for each in known.happened])
    order = _deranged(len(known), np.random.default_rng([seed, 0x5F1]))
    enough = np.minimum(asked.sum(0), (~asked).sum(0)) >= least
    kept = np.flatnonzero(enough)
    rows: list[Row] = []
    for method in ("clips", "shuffled", "frozen", "reversed"):
        found = sure["clips" if method == "shuffled" else method] > judge.thresholds
        wanted = asked[order] if method == "shuffled" else asked
        add = partial(_add, rows, method)
        shares: list[float] = []
        for n in kept.tolist():
            there, absent = found[wanted[:, n], n], found[~wanted[:, n], n]
            hit = wilson(int(there.sum()), len(there), confidence=confidence)
            false = wilson(int(absent.sum()), len(absent), confidence=confidence)
            both = balanced(hit, false)
            shares.append(both.value)
            name = judge.names[n]
            if method == "clips":
                add(f"balanced accuracy, {name}", "events/balanced-accuracy", both, "higher")
                add(f"found, {name}", "events/found", hit, "higher")
                add(f"falsely found, {name}", "events/falsely-found", false, "lower")
        if not len(kept):
            continue
        mean = Interval(float(np.mean(shares)), None, None, len(known), len(set(known.groups)), "none")
        add("balanced accuracy", "events/balanced-accuracy-mean", mean, "higher")
        clip, event = np.nonzero(wanted[:, kept])
        groups = [known.groups[n] for n in clip]
        hits = found[:, kept][clip, event].astype(float)
        add("asked and found", "events/asked-found", cluster_bootstrap(hits, groups, confidence=confidence), "higher")
    if len(kept):
        error = ece(sure["clips"][:, kept].ravel(), asked[:, kept].ravel())
        told = Interval(error, None, None, len(known) * len(kept), len(set(known.groups)), "none")
        _add(rows, "clips", "calibration error", "ece/width-15-right", told, "lower")
    return Evaluation(
        protocol={
            "id": HAPPENED,
            "frames": known.videos.shape[1],
            "height": known.videos.shape[2],
            "width": known.videos.shape[3],
            "judge": judge.card,
            "shuffled": "the clips with the texts of other clips",
            "frozen": "the first picture of each clip, held",
            "reversed": "the clips backwards",
        },
        n=len(known),
        groups=len(set(known.groups)),
        rows=rows,
        differences=[],
        absent=[
            {
                "subset": "all",
                "metric": judge.names[n],
                "reason": f"{asked[:, n].sum()} clips with it, {(~asked[:, n]).sum()} without; {least} would do",
            }
            for n in np.flatnonzero(~enough)
        ],
        windows=[],
        notes=[],
        settings={"least": least, "confidence": confidence},
        seed=seed,
        data=known.digest,
        versions=_versions(),
    )


def judge_retrieval(
    known: Known,
    judge: Events,
    *,
    steps: int,
    heldout: float = 0.2,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """How well video, text and sound find each other among held-out clips, after training on the others.

    Args:
        known: clips with sound.
        judge: its eyes look at the pictures.
        steps: of training.
        heldout: the share of levels that is held out.
    """
    train, test = known.split(heldout)
    towers = Towers.trained(judge.watch(train.videos), train, steps=steps, seed=seed, progress=progress)
    found = towers.similarities(judge.watch(test.videos), test)
    order = _deranged(len(test), np.random.default_rng([seed, 0x5F2]))
    rows: list[Row] = []
    for (one, other), similarity in found.items():
        names: Sequence[Any] = list(range(len(test))) if (one, other) == ("video", "sound") else test.texts
        for to, title in (("text", f"{one} to {other}"), ("video", f"{other} to {one}")):
            _told(rows, title, retrieval(similarity, names, to=to, confidence=confidence))
            if (one, other) != ("video", "sound"):
                _told(rows, f"{title}, paired", paired_retrieval(similarity, names, to=to, confidence=confidence))
            shuffled = retrieval(similarity[:, order], names, to=to, confidence=confidence)
            _told(rows, f"{title}, shuffled", shuffled)
    return Evaluation(
        protocol={
            "id": FOUND,
            "frames": test.videos.shape[1],
            "height": test.videos.shape[2],
            "width": test.videos.shape[3],
            "candidates": len(test),
            "trained on": len(train),
            "distinct texts": len(set(test.texts)),
            "eyes": judge.card,
            "paired": "only the paired item is right; the others count any that bears the same text",
            "shuffled": "the same features, paired at random: the negative control",
        },
        n=len(test),
        groups=len(set(test.groups)),
        rows=rows,
        differences=[],
        absent=[],
        windows=[],
        notes=[],
        settings={"steps": steps, "heldout": heldout, "confidence": confidence},
        seed=seed,
        data=known.digest,
        versions=_versions(),
    )


def judge_labels(
    pictures: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    groups: Sequence[Any],
    *,
    steps: int,
    ways: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None,
    heldout: float = 0.2,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """The semantic map read from pictures as they are, blurred, and after some `ways`, such as an autoencoder.

    Args:
        pictures: uint8 RGB (N, H, W, 3).
        labels: uint8 (N, H, W), below len(names).
        groups: of each picture; the reader learns from some groups and is tried on the others.
        steps: of training, 48 pictures each.
    """
    held = Known(pictures[:, None], ("",) * len(pictures), (frozenset(),) * len(pictures), tuple(groups))
    rows_of = Known(np.arange(len(pictures)), held.texts, held.happened, held.groups)
    train, test = (part.videos for part in rows_of.split(heldout))
    reader = Labels.trained(pictures[train], labels[train], len(names), steps=steps, seed=seed, progress=progress)
    shown: dict[str, Callable[[np.ndarray], np.ndarray]] = {"as drawn": lambda x: x, **(ways or {})}
    shown |= {f"blurred, {sigma:g}": partial(blurred, sigma=sigma * pictures.shape[1] / 64) for sigma in SIGMAS}
    rows: list[Row] = []
    which = {group: n for n, group in enumerate(dict.fromkeys(groups[n] for n in test))}
    group_of = np.array([which[groups[n]] for n in test])
    for method, way in shown.items():
        found = reader(way(pictures[test]))
        scores = semantic_iou(found, labels[test], len(names))
        for label, value in scores.items():
            told = Interval(value, None, None, len(test), len(which), "none")
            _add(rows, method, f"IoU, {names[label]}", "labels/iou", told, "higher")
        told = _mean_iou(found, labels[test], group_of, len(names), seed)
        _add(rows, method, "mean IoU", "labels/mean-iou", told, "higher")
    return Evaluation(
        protocol={
            "id": MAPPED,
            "frames": 1,
            "height": pictures.shape[1],
            "width": pictures.shape[2],
            "trained on": len(train),
            "blurred": "a Gaussian of so many pixels at 64",
        },
        n=len(test),
        groups=len(which),
        rows=rows,
        differences=[],
        absent=[],
        windows=[],
        notes=[],
        settings={"steps": steps, "heldout": heldout},
        seed=seed,
        data=replace(held, texts=held.texts).digest,
        versions=_versions(),
    )


def reconstructed(autoencoder: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Pictures uint8 (N, H, W, 3) as an autoencoder gives each back, from the mean of its latents."""
    import torch

    def way(pictures: np.ndarray) -> np.ndarray:
        out = []
        with torch.inference_mode():
            for n in range(0, len(pictures), 16):
                pixels = torch.from_numpy(pictures[n : n + 16]).permute(0, 3, 1, 2).float()[:, None] / 127.5 - 1
                decoded = autoencoder.decode(autoencoder.encode(pixels)[0])[:, 0].permute(0, 2, 3, 1)
                out.append(((decoded.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy())
        return np.concatenate(out)

    return way


def balanced(found: Interval, false: Interval) -> Interval:
    """The mean of a share and of one minus another, with the interval that follows from theirs (Newcombe 1998,
    "Interval estimation for the difference between independent proportions", method 10)."""
    value = (found.value + 1 - false.value) / 2
    ends = [end for one in (found, false) for end in (one.low, one.high) if end is not None]
    low_found, high_found, low_false, high_false = ends
    low = value - math.hypot(found.value - low_found, high_false - false.value) / 2
    high = value + math.hypot(high_found - found.value, false.value - low_false) / 2
    return Interval(value, max(0.0, low), min(1.0, high), found.n + false.n, found.groups + false.groups, "wilson")


def blurred(pictures: np.ndarray, sigma: float) -> np.ndarray:
    """Pictures uint8 (N, H, W, 3) under a Gaussian of `sigma` pixels."""
    return np.stack([cv2.GaussianBlur(picture, (0, 0), sigma) for picture in pictures])


def _add(rows: list[Row], method: str, name: str, ident: str, found: Interval, better: str, note: str = "") -> None:
    metric = {"name": name, "id": ident, "unit": "", "better": better}
    rows.append(made_row("all", method, metric, replace(found, note=note or found.note)))


def _told(rows: list[Row], title: str, found: Retrieval) -> None:
    for k, share in found.recall.items():
        note = f"chance {found.chance[k]:.4f}, ceiling {found.ceiling[k]:.4f}, of {found.candidates}"
        _add(rows, title, f"R@{k}", f"{found.protocol}@{k}", share, "higher", note)
    rank = Interval(found.median_rank, None, None, found.queries, found.queries, "none")
    _add(rows, title, "median rank", f"{found.protocol}-rank", rank, "lower", f"of {found.candidates}")


def _deranged(count: int, rng: np.random.Generator) -> np.ndarray:
    """An order in which nothing stands where it stood."""
    order = rng.permutation(count)
    out = np.empty(count, int)
    out[order] = np.roll(order, 1)
    return out


def _mean_iou(found: np.ndarray, true: np.ndarray, groups: np.ndarray, count: int, seed: int) -> Interval:
    """The mean over labels, with the interval over resampled groups."""
    pair = true.astype(np.int64) * count + found
    units = int(groups.max()) + 1
    tables = np.stack(
        [np.bincount(pair[groups == n].ravel(), minlength=count * count).reshape(count, count) for n in range(units)]
    )

    def mean(table: np.ndarray) -> float:
        there = table.sum(1) > 0
        union = table.sum(0) + table.sum(1) - table.diagonal()
        return float((table.diagonal()[there] / union[there]).mean())

    rng = np.random.default_rng([seed, 0x10])
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=500)
    values = [mean(np.tensordot(weights, tables, 1)) for weights in drawn]
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(mean(tables.sum(0)), float(low), float(high), len(found), units, "cluster-bootstrap")


def _versions() -> dict[str, str]:
    import torch

    return versions() | {"torch": torch.__version__}
