"""What all tests share: under CI a skipped test is a failure, a test begins with the same state of torch whichever was
before it, and there is one small road that was gone from end to end."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")

# As `tiny`, but of a few steps: it lies in the working folder as a file of that name, and so stands before the shipped
# recipe.
SMALL = """
seed = 3
workers = 2
device = "cpu"
[select]
name = "tiny"
drop = { motion = 20, sharpness = 10, text_area = 10 }
[encode.windows]
frames = 4
size = 32
heldout_least = 24
most = 120
[encode.autoencoder]
channels = [32, 32]
steps = 30
[train.network]
channels = [32, 32]
context = 32
[train.image]
steps = 10
checkpoint_every = 5
evaluate_every = 5
[train.video]
steps = 10
checkpoint_every = 5
evaluate_every = 5
[train.finetune]
steps = 6
checkpoint_every = 3
evaluate_every = 3
quality_percent = 50
[generate]
steps = 3
[evaluate]
resamples = 200
[report]
examples = 4
transitions = 6
[study]
shares = [25, 50]
prompts = 6
stages = ["video"]
"""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    """A test that was skipped under CI has failed."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI, which counts as a failure: {report.longrepr}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, None, None]:
    """A test, and what it is the first to ask for, draws the same whatever was drawn before it, and leaves torch the
    threads that it found."""
    torch = sys.modules.get("torch")  # a test that needs none does not wait for it
    threads = int(os.environ["OMP_NUM_THREADS"]) if torch is None else torch.get_num_threads()
    if torch is not None:
        torch.manual_seed(0)
    yield
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def gone_road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `marey run tiny --out library --footage footage` has ended: the whole road on a minute of
    footage.

    In it: footage/, library/, the recipe `tiny` and picture.jpg. Tests may add to it, and change nothing.
    """
    import numpy as np
    from PIL import Image

    from marey.worlds import make

    place = tmp_path_factory.mktemp("road")
    make(place / "footage", seed=5, share=0.2)
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC).save(place / "picture.jpg")
    Image.fromarray(noise[::-1]).resize((320, 240), Image.Resampling.BICUBIC).save(place / "footage" / "photo.jpg")
    (place / "tiny").write_text(SMALL)
    ended = subprocess.run(
        [sys.executable, "-m", "marey", "run", "tiny", "--out", "library", "--footage", "footage"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return place
