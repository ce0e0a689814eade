"""The model that comes with the package: it opens at once, is small, moves, and does what a text says more often than
what another says. How good it is stands in docs/marey-tiny.md, with figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from marey.evaluate.judges import Events
from marey.evaluate.metrics import mean_motion
from marey.generate import Model
from marey.generate.imagine import imagine
from marey.generate.plan import plan_for
from marey.generate.tiny import NAME, SHIPPED, place_of
from marey.worlds.game import clip

JUDGE = Path(__file__).parents[2] / "benchmarks" / "base-judge"
ASKED = {
    "run right": "Jules runs to the right.",
    "jump right": "Jules jumps to the right.",
    "jump left": "Jules jumps to the left.",
    "climb up": "Jules climbs up a ladder.",
}
TEXTS = list(ASKED.values()) * 3
FEWER = """
import json, sys
import numpy
from marey.generate import Model
model = Model.open(device="cpu")
model.{call}
heavy = ("diffusers", "transformers", "accelerate", "peft", "huggingface_hub", "scipy", "sympy")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.open(device="cpu")


@pytest.fixture(scope="module")
def meadows() -> np.ndarray:
    """First frames of plays that it never saw, from as near as it knows them."""
    plays = (clip(5, 2_000_000 + n, 1) for n in range(60))
    return np.stack([play.frames(128)[0] for play in plays if play.level.theme == "meadow"][:4])[:, 39:103, 32:96]


@pytest.fixture(scope="module")
def imagined(model: Model) -> np.ndarray:
    many = len(TEXTS)
    return imagine(model, TEXTS, None, plan_for(model.info, 4), [15.0] * many, [127.0] * many, range(many))


def test_it_is_there_and_small() -> None:
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if path.suffix == ".safetensors") <= 40_000_000
    assert {"README.md", "marey.json", "model_index.json", "train.log", "metrics.jsonl"} <= {
        path.name for path in files
    }


def test_its_name_is_its_place(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place_of(None) == place_of(NAME) == SHIPPED
    assert place_of("other") == "other"
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).mkdir()
    assert place_of(NAME) == NAME, "what lies here comes first"


def test_what_it_imagines_is_lively(imagined: np.ndarray) -> None:
    assert imagined.shape == (len(TEXTS), 14, 64, 64, 3)
    motions = [mean_motion(video) for video in imagined]
    assert min(motions) > 0.1
    assert np.mean(motions) > 0.3


def test_it_does_what_a_text_says(imagined: np.ndarray) -> None:
    judge = Events.open(JUDGE)
    sure = judge(imagined, fps=15) > judge.thresholds
    columns = [judge.names.index(name) for name in ASKED]
    found = sure[:, columns].reshape(3, len(ASKED), len(ASKED)).mean(axis=0)  # asked, judged
    own, others = found.diagonal().mean(), found[~np.eye(len(ASKED), dtype=bool)].mean()
    assert own > 0.5
    assert own > others + 0.3


def test_what_it_imagines_is_a_meadow(imagined: np.ndarray, meadows: np.ndarray) -> None:
    wide, true = imagined.astype(float), meadows.astype(float)
    across = np.abs(np.diff(wide, axis=3)).mean()
    assert 1.5 < across < 15, "edges, but neither a blank nor noise, of which it would be 80"
    sky, ground = np.median(wide[:, :, 4:16], axis=(0, 1, 2, 3)), wide[:, :, 54:].mean(axis=(0, 1, 2, 3))
    assert np.abs(sky - np.median(true[:, 4:16], axis=(0, 1, 2))).max() < 20, "where no ladder leads through earth"
    assert sky[2] > sky[0] + 30, "a blue sky"
    assert ground[2] < sky[2] - 60, "over earth or grass"


def test_a_still_is_continued(model: Model, meadows: np.ndarray) -> None:
    """First frames are liker their own still than others."""
    videos = model.continue_stills(meadows, seeds=range(len(meadows)))
    apart = np.abs(videos[:, None, 0].astype(float) - meadows[None]).mean(axis=(2, 3, 4))
    others = apart[~np.eye(len(meadows), dtype=bool)]
    assert apart.diagonal().mean() < others.mean() - 2
    assert apart.diagonal().max() < 25
    assert np.mean([mean_motion(video) for video in videos]) > 0.2


@pytest.mark.parametrize(
    "call", ['imagine("Jules jumps to the right")', "animate(numpy.full((64, 64, 3), 90, numpy.uint8))"]
)
def test_it_needs_no_other_library(call: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", FEWER.format(call=call)], env=environment, capture_output=True, text=True, timeout=200
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == []
