"""What marey-tiny can do, on levels that it never saw: OMP_NUM_THREADS=2 python benchmarks/bench_base.py FOLDER [MODEL]

Stills that it continues against the truth, the still held frozen and the still slid by the mean motion; what it makes
of texts, asked of the judge of `base_judge`, which lies beside it, against shuffled texts. FOLDER keeps what was made,
so that a second call goes on; MODEL is another model's folder. It takes ten minutes of one core.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from base_clips import Chosen, chosen
from base_judge import KEPT
from PIL import Image

from marey.evaluate.baselines import drift, drift_velocity, frozen
from marey.evaluate.features import features, fit
from marey.evaluate.intervals import cluster_bootstrap
from marey.evaluate.judges import Events
from marey.evaluate.metrics import METRICS, Scorer, mean_motion
from marey.evaluate.summary import distances, summarise
from marey.evaluate.views import View
from marey.generate import Model
from marey.generate.generate import own_seed
from marey.generate.imagine import imagine
from marey.generate.plan import plan_for
from marey.media import contact_sheet
from marey.recipe import Evaluate

FIRST, PLAYS, CLIPS = 800_000, 40, 96
LEARNED, LEARNED_PLAYS, LEARNED_CLIPS = 0, 40, 120
"""Training clips, which give the drift's velocity and the axes of the distance."""
SAMPLES, MEANS = 16, 24
"""Samples of a still whose mean is compared, and of how many stills."""
SHOWN = ("run right", "jump right", "jump left", "climb up", "coin", "duck")
"""Events that the picture has."""
NAMES = ("psnr", "ssim", "difference", "motion_error", "motion", "background_consistency", "identity")
FPS = 15.0


def made(folder: Path, name: str, work: Any) -> np.ndarray:
    """Videos that are kept in the folder."""
    path = folder / f"{name}.npy"
    if not path.is_file():
        start = time.process_time()
        videos = work()
        np.save(path.with_suffix(".part.npy"), videos)
        os.replace(path.with_suffix(".part.npy"), path)
        print(f"{name}: {len(videos)} videos in {time.process_time() - start:.0f} CPU seconds", flush=True)
    return np.load(path)


def asked(model: Model, texts: Sequence[str], stills: np.ndarray | None, seeds: Sequence[int]) -> np.ndarray:
    """Videos of texts, with stills or without."""
    many = len(texts)
    motion = [model.info.motion] * many
    return imagine(model, texts, stills, plan_for(model.info, 4), [FPS] * many, motion, seeds, batch=8)


def continued(shown: dict[str, np.ndarray], clips: Chosen, before: Chosen) -> tuple[list[Any], list[Any]]:
    """Rows and differences of continuations, with intervals over levels."""
    truth = np.asarray(clips.videos)
    windows = []
    for n in range(len(truth)):
        values: dict[str, dict[str, float]] = {"truth": {"motion": mean_motion(truth[n])}}
        for method, videos in shown.items():
            scorer = Scorer([name for name in METRICS if name in NAMES])
            for frame, true in zip(videos[n], truth[n], strict=True):
                scorer.add(View(frame), View(true))
            values[method] = scorer.values()
        windows.append({"id": str(n), "group": str(clips.plays[n]), "real": False, "values": values})
    settings = Evaluate()
    rows, differences, _ = summarise(windows, settings, 0)
    projection = fit(np.stack([features(video) for video in np.asarray(before.videos)]), settings.frechet_dims)
    tables = {method: np.stack([features(video) for video in videos]) for method, videos in shown.items()}
    tables["truth"] = np.stack([features(video) for video in truth])
    more, _ = distances(tables, windows, projection, "", settings)
    return [row for row in rows + more if row.subset == "all"], [one for one in differences if one.subset == "all"]


def found(judge: Events, videos: np.ndarray, clips: Chosen) -> dict[str, Any]:
    """How often the judge finds the event that was asked for, and the events of other texts."""
    sure = judge(videos, fps=FPS) > judge.thresholds
    which = np.array([judge.names.index(name) for name in clips.asked])
    rows = np.arange(len(which))
    right = sure[rows, which]
    others = np.mean([sure[rows, np.roll(which, n)] for n in _turns(len(which))], axis=0)
    by_event = {name: float(right[which == n].mean()) for n, name in enumerate(judge.names) if (which == n).any()}
    return {
        "asked": vars(cluster_bootstrap(right.astype(float), clips.plays)),
        "shuffled": vars(cluster_bootstrap(others, clips.plays)),
        "by event": by_event,
    }


def changes(videos: np.ndarray) -> np.ndarray:
    """How often neighbouring frames differ by so much or less in a pixel, for each of the 256 levels of the mean of the
    colours: (N, 256)."""
    grey = np.rint(videos.astype(np.float32).mean(axis=-1)).astype(np.int16)
    steps = np.abs(np.diff(grey, axis=1)).reshape(len(videos), -1)
    return np.stack([np.bincount(one, minlength=256)[:256].cumsum() / len(one) for one in steps])


def amounts(shown: dict[str, np.ndarray], clips: Chosen) -> dict[str, Any]:
    """How far the law of the changes between neighbouring frames lies from the truth's, in levels (Wasserstein-1, the
    mean over clips): of each method, and by how much the model's is more than the others'."""
    truth = changes(np.asarray(clips.videos))
    away = {name: np.abs(changes(videos) - truth).sum(axis=1) for name, videos in shown.items()}
    return {
        "of": {name: vars(cluster_bootstrap(values, clips.plays)) for name, values in away.items()},
        "model against": {
            name: vars(cluster_bootstrap(away["model"] - values, clips.plays))
            for name, values in away.items()
            if name != "model"
        },
    }


def means(videos: np.ndarray, truth: np.ndarray) -> list[float]:
    """PSNR in dB of the frames after the first, of each video."""
    error = np.square(videos[:, 1:].astype(np.float64) - truth[:, 1:]).mean(axis=(2, 3, 4))
    return (10 * np.log10(255**2 / np.maximum(error, 1e-3))).mean(axis=1).tolist()


def main(folder: Path, where: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    judge, model = Events.open(KEPT), Model.open(where, device="cpu", dtype="bfloat16")
    clips = chosen(CLIPS, FIRST, PLAYS)
    before = chosen(LEARNED_CLIPS, LEARNED, LEARNED_PLAYS)
    truth, texts = np.asarray(clips.videos), [each[0] for each in clips.texts]
    seeds = [own_seed(0, str(n)) for n in range(len(truth))]
    motion = [model.info.motion] * len(truth)
    shown = {
        "model": made(
            folder,
            "still",
            lambda: model.continue_stills(truth[:, 0], seeds=seeds, fps=[FPS] * len(truth), motion=motion),
        ),
        "autoencoder": made(folder, "autoencoder", lambda: model.reconstruct(truth)),
    }
    shown["frozen"] = np.stack([frozen(video[0], len(video)) for video in truth])
    velocity = drift_velocity((np.asarray(video), FPS) for video in before.videos)
    shown["drift"] = np.stack([drift(video[0], len(video), velocity, FPS) for video in truth])
    shown["frozen_autoencoder"] = np.stack([frozen(video[0], len(video)) for video in shown["autoencoder"]])
    rows, differences = continued(shown, clips, before)

    both = made(folder, "both", lambda: asked(model, texts, truth[:, 0], seeds))
    alone = made(folder, "text", lambda: asked(model, texts, None, seeds))
    told, _ = continued({"model": both}, clips, before)
    few = [n * len(truth) // MEANS for n in range(MEANS)]
    drawn = made(
        folder,
        "means",
        lambda: np.stack(
            [
                asked(model, [texts[n]] * SAMPLES, np.repeat(truth[n : n + 1, 0], SAMPLES, axis=0), range(SAMPLES))
                for n in few
            ]
        ),
    )
    sharp = {
        "mean": means(drawn.astype(np.float64).mean(axis=1), truth[few]),
        "one sample": means(drawn[:, 0], truth[few]),
        **{name: means(shown[name][few], truth[few]) for name in ("frozen", "drift")},
    }
    result = {
        "clips": len(truth),
        "levels": len(set(clips.plays)),
        "velocity": velocity,
        "stills": [vars(row) for row in rows],
        "differences": [vars(one) for one in differences],
        "stills and texts": [vars(row) for row in told],
        "changes": amounts(shown, clips),
        "changes, told": amounts({"model": both, **{name: shown[name] for name in ("frozen", "drift")}}, clips),
        "events": {
            "truth": found(judge, truth, clips),
            "text": found(judge, alone, clips),
            "still and text": found(judge, both, clips),
            "still": found(judge, shown["model"], clips),
            "frozen": found(judge, shown["frozen"], clips),
            "drift": found(judge, shown["drift"], clips),
        },
        "mean of samples": {
            "samples": SAMPLES,
            "stills": MEANS,
            **{name: _interval(values, clips, few) for name, values in sharp.items()},
            "more than": {
                name: _interval(np.subtract(sharp["mean"], sharp[name]).tolist(), clips, few)
                for name in ("frozen", "drift")
            },
        },
    }
    picture(alone, both, clips, folder / "marey-tiny.webp")
    (folder / "base.json").write_text(json.dumps(result, indent=1) + "\n")
    _print(result)


def picture(alone: np.ndarray, both: np.ndarray, clips: Chosen, path: Path) -> None:
    """A contact sheet: of each event the first text, then stills beside the truth."""
    firsts = [clips.asked.index(name) for name in SHOWN]
    rows, labels = [list(alone[n]) for n in firsts], [clips.texts[n][0] for n in firsts]
    for n in firsts[:3]:
        rows += [list(clips.videos[n]), list(both[n])]
        labels += [f"truth: {clips.texts[n][0]}", "its still and text"]
    Image.fromarray(contact_sheet(rows, labels, height=64, gap=3)).save(path, quality=80)


def _turns(count: int) -> list[int]:
    """By how many places texts are moved on, so that each meets many others."""
    return [n for n in range(1, count) if n % 7 == 3]


def _interval(values: list[float], clips: Chosen, few: list[int]) -> dict[str, Any]:
    return vars(cluster_bootstrap(values, [clips.plays[n] for n in few]))


def _print(result: dict[str, Any]) -> None:
    print(f"{result['clips']} clips of {result['levels']} levels")
    for part in ("stills", "stills and texts"):
        for row in result[part]:
            print(f"{part:18s} {row['method']:20s} {row['metric']:24s} {_shown(row)}")
    for one in result["differences"]:
        print(f"model against {one['against']:20s} {one['metric']:24s} {_shown(one)}  {one['verdict']}")
    for what, events in result["events"].items():
        print(f"{what:18s} asked and found {_shown(events['asked'])}, of shuffled texts {_shown(events['shuffled'])}")
        print("   ", ", ".join(f"{name} {share:.2f}" for name, share in events["by event"].items()))
    for part in ("changes", "changes, told"):
        for how in ("of", "model against"):
            for name, row in result[part][how].items():
                print(f"{part:14s} {how:14s} {name:20s} {_shown(row)}")
    for what in ("mean", "one sample", "frozen", "drift"):
        print(f"PSNR of {what:12s} {_shown(result['mean of samples'][what])}")
    for name, row in result["mean of samples"]["more than"].items():
        print(f"mean of samples more than {name:7s} {_shown(row)}")


def _shown(row: dict[str, Any]) -> str:
    low, high = (row.get(key) for key in ("low", "high"))
    return f"{row['value']:.3f}" + (f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else "")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
