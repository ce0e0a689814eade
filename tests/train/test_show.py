"""Validation videos, trackers, and a short run whose losses are known."""

from typing import ClassVar

import pytest
import torch
from accelerate.tracking import GeneralTracker

from marey.errors import MareyError
from marey.media import probe
from marey.network.config import UNetConfig
from marey.network.unet import fresh
from marey.recipe import Recipe
from marey.train.autoencoder import load_autoencoder
from marey.train.batches import noise, noise_rows
from marey.train.encoded import Encoded
from marey.train.loop import fit
from marey.train.metrics import Metrics
from marey.train.networks import VideoNetwork
from marey.train.pace import Pace
from marey.train.stages import VideoTask
from marey.train.windows import encoded

from .test_stages import STAGE, video_network
from .toy import STEPS, Toy, pace, train

CPU = torch.device("cpu")


class Kept(GeneralTracker):
    name = "kept"
    requires_logging_directory = False
    told: ClassVar[list[tuple[int, dict]]] = []

    @property
    def tracker(self):
        return None

    def store_init_configuration(self, values):
        self.told.append((-1, values))

    def log(self, values, step=None, **more):
        self.told.append((step, values))


def test_trackers_are_told_what_metrics_say(tmp_path):
    Kept.told.clear()
    train(tmp_path, Toy(), trackers=(Kept(),))
    lines = Metrics(tmp_path / "metrics.jsonl").lines()
    assert Kept.told[0][1]["stage"] == "toy"
    assert [step for step, _ in Kept.told[1:]] == list(range(1, STEPS + 1))
    for (_, told), line in zip(Kept.told[1:], lines, strict=True):
        assert told == {f"toy/{key}": value for key, value in line.items() if key not in ("stage", "step")}


def test_tensorboard_really_has_what_metrics_say(tmp_path):
    """Its own files, read back record by record: length (8 bytes), check (4), event, check (4)."""
    from tensorboardX.proto.event_pb2 import Event

    train(tmp_path, Toy(), trackers=("tensorboard",), steps=12)
    told: dict[tuple[str, int], float] = {}
    for path in (tmp_path / "trackers").rglob("*tfevents*"):
        data, at = path.read_bytes(), 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + length])
            told |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
            at += length + 16
    lines = Metrics(tmp_path / "metrics.jsonl").lines()
    for key in ("loss", "lr", "grad_norm", "heldout"):
        for line in lines:
            if key in line:
                assert told[f"toy/{key}", line["step"]] == pytest.approx(line[key], rel=1e-6)
    assert len(lines) == 12


def test_a_tracker_that_is_not_there_is_told(tmp_path):
    with pytest.raises(MareyError, match="tracker 'nosuchtracker' is not installed: `pip install nosuchtracker`"):
        train(tmp_path, Toy(), trackers=("nosuchtracker",))
    with pytest.raises(MareyError, match=r"train.trackers.0 is 'nosuch'"):
        Recipe.of({"train": {"trackers": ["nosuch"]}})


def test_validation_videos_are_of_heldout_stills_and_leave_training_alone(encoded_library, tmp_path):
    fact = encoded_library.facts["encode/chosen"]
    autoencoder = load_autoencoder(encoded_library.path / fact["autoencoder"], CPU)
    windows = encoded(encoded_library, fact["latents"])
    data = Encoded.of(encoded_library, fact["pixels"], fact["latents"], autoencoder.scaling_factor, windows)
    weights = []
    for name, every in (("with", 2), ("without", None)):
        settings = STAGE.model_copy(update={"steps": 4, "samples_every": every})
        task = VideoTask("video", data, settings, video_network(), autoencoder, 0)
        weights.append(fit(task, Pace.of(settings), tmp_path / name, "x", device=CPU))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    videos = sorted((tmp_path / "with" / "validation" / "video").iterdir())
    assert [path.name for path in videos] == ["step-000002.mp4", "step-000004.mp4"]
    found = probe(videos[0])
    count = min(4, len(data.judged))
    assert (found.width, found.height, len(found.pts)) == (32 * count, 64, 4)
    assert not (tmp_path / "without" / "validation").exists()


class Golden:
    """The video network on made-up clips."""

    name = "golden"

    def __init__(self) -> None:
        config = UNetConfig.plain((32, 32), context=32, embed=32, frames=3, sample_size=8)
        self.module = VideoNetwork(fresh(config, seed=0), None)

    def batch(self, step):
        rows = range(4)
        clips = noise_rows((3, 4, 8, 8), rows, "clips")
        return {
            "latents": clips, "noise": noise_rows((3, 4, 8, 8), rows, "noise", step),
            "sigma": torch.exp(noise((4,), "sigma", step)), "condition": clips[:, 0],
            "added": torch.tensor([[6.0, 127.0, 0.02]]).repeat(4, 1), "keep_token": torch.ones(4),
            "keep_frame": torch.ones(4), "token": noise((4, 1, 32), "token"),
        }  # fmt: skip

    def heldout(self, losses):
        return {}


def test_a_short_run_gives_the_losses_that_it_always_gave(tmp_path):
    """Weights, draws, loss, clipping, rate and optimizer: a change of any of them shows here."""
    fit(Golden(), pace(steps=8, lr=3e-3), tmp_path, "one", device=CPU)
    losses = [line["loss"] for line in Metrics(tmp_path / "metrics.jsonl").lines()]
    assert losses == pytest.approx(GOLDEN, rel=2e-3)


GOLDEN = [1.02538, 0.9969, 0.99612, 1.00033, 0.94534, 0.89222, 0.98624, 0.88001]
