"""Cameras as a finetuning: what windows are told of them, what learns, and that a wrong camera misleads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from marey import recipe
from marey.errors import MareyError
from marey.generate import Model
from marey.network.autoencoder import Autoencoder
from marey.network.condition import BASE, Elevation, Poses, added
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import load_model, save_model
from marey.network.unet import fresh
from marey.network.widen import conditioned, widened
from marey.train.batches import noise
from marey.train.cameras import Cameras
from marey.train.finetune import finetune
from marey.train.joint import UNSAID
from marey.train.networks import VideoNetwork
from marey.train.windows import encoded

from . import made

STAGE = {"preset": "tiny-multi-view", "steps": 4, "batch": 4, "lr": 3e-3, "warmup": 1, "ema": 0.5, "precision": "no"}
FRAMES = 16
STEPS = 40


def settings(**changes):
    stage = {**STAGE, "evaluate_every": 2, "checkpoint_every": 2, **changes.pop("stage", {})}
    table = {"full": True, "frames": 4, "heldout_least": 4, "draws": 2, "stage": stage, **changes}
    return recipe.Recipe.of({"finetune": table}).finetune


def camera(n: int, frame: int) -> dict[str, float]:
    """Of video n: at its own height, beginning anywhere, past the full circle."""
    return {"azimuth": (300.0 + 40 * n + 360 * frame / FRAMES) % 360, "elevation": 2.0 * n - 5}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    with made.library(folder, videos=6, frames=FRAMES, photos=1) as store:
        for n in range(6):
            truth = {"cameras": [camera(n, frame) for frame in range(FRAMES)]}
            (folder / f"video {n}.truth.json").write_text(json.dumps(truth))
        yield store


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of random weights whose every layer says something."""
    unet = fresh(UNetConfig.plain((32, 32), context=32, embed=32, frames=4, sample_size=8), seed=0)
    generator = torch.Generator().manual_seed(0)
    for value in unet.parameters():
        value.data += 0.02 * torch.randn(value.shape, generator=generator)
    autoencoder = Autoencoder.build((32, 32, 32), sample_size=32)
    words = {"card": "x", "frames": 4, "size": 32, "fps": 8.0, "steps": 2}
    folder = tmp_path_factory.mktemp("model") / "base"
    return save_model(folder, unet, autoencoder, ImageEmbedder.build(32, hidden=32, patch=56), **words)


@pytest.fixture(scope="module")
def around(library, model):
    return finetune(library, str(model), settings(name="around"), "chosen", device="cpu")


def windows(library):
    kinds = [row["kind"] for row in library.rows("select distinct kind from tensors where kind like 'pixels@%'")]
    return [window for kind in kinds for window in encoded(library, kind) if not window.photo]


def test_windows_are_told_the_cameras_of_their_own_frames(library, around):
    some = windows(library)
    assert {window.first_frame for window in some} == {0, 4, 8, 12}
    heights, poses = Cameras.of(library, Elevation(), some), Cameras.of(library, Poses(), some)
    assert heights(some).shape == (len(some), 1)
    assert poses(some).shape == (len(some), 4, 2)
    for window, height, pose in zip(some, heights(some), poses(some), strict=True):
        n = int(window.clip.removeprefix("v"))
        assert height.tolist() == [2.0 * n - 5]
        assert pose[:, 0].tolist() == [2.0 * n - 5] * 4
        assert pose[:, 1].tolist() == pytest.approx([0, 22.5, 45, 67.5], abs=1e-3)  # from the window's first frame


def test_the_new_numbers_learn_with_all_of_the_unet_and_the_folder_goes_around(library, model, around):
    base, tuned = conditioned(load_model(model), "elevation"), load_model(around.folder)
    assert isinstance(tuned.condition, Elevation)
    before, after = base.unet.state_dict(), tuned.unet.state_dict()
    same = {name for name in after if torch.equal(before[name], after[name])}
    assert same <= tuned.unet.idle(tokens=1, only_stills=False)
    new = after["add_embedding.linear_1.weight"][:, 32 * len(BASE) :]
    assert new.shape[1] == 32
    assert not before["add_embedding.linear_1.weight"][:, 32 * len(BASE) :].any()
    assert (new != 0).any(dim=1).all()
    still = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert Model.open(around.folder, device="cpu").orbit(still, elevation=10).frames.shape == (4, 32, 32, 3)


def test_a_model_of_elevations_goes_on_to_poses_and_shows_what_it_does(library, around):
    posed = settings(name="posed", condition="poses", stage={"steps": 2, "samples_every": 2})
    folder = finetune(library, around.folder, posed, "chosen", device="cpu").folder
    assert isinstance(load_model(folder).condition, Poses)
    shown = list((library.path / "runs" / "posed" / "validation").rglob("*.mp4"))
    assert [path.name for path in shown] == ["step-000002.mp4"]


def test_footage_without_cameras_is_named(library, around):
    some = windows(library)
    where = Path(library.one("select path from footage where id = 'f0'")["path"]).with_suffix(".truth.json")
    told = where.read_text()
    try:
        where.unlink()
        with pytest.raises(MareyError, match=r"video 0.truth.json does not say where the camera was \(FileNotFound"):
            Cameras.of(library, Elevation(), some)
        where.write_text(json.dumps({"cameras": [camera(0, 0)]}))
        with pytest.raises(MareyError, match="truth has 1 cameras"):
            Cameras.of(library, Elevation(), some)
    finally:
        where.write_text(told)


def test_what_is_unsaid_of_motion_is_unsaid_in_every_frame():
    """Where numbers differ by frame, the motion bucket is a column and not a row."""
    numbers = added(torch.tensor([[7.0, 50.0, 0.1], [7.0, 60.0, 0.1]]), torch.zeros(2, 4, 2))
    numbers[..., 1][torch.tensor([True, False])] = UNSAID
    assert numbers[:, :, 1].tolist() == [[UNSAID] * 4, [60.0] * 4]
    assert numbers[:, :, 0].eq(7).all()


# Of 32 channels each is a group of normalisation by itself, which takes away what all of a clip has in common, and
# leaves what differs from frame to frame.
@pytest.mark.parametrize(("angle", "width"), [("elevation", 64), ("azimuth", 32)])
def test_a_wrong_camera_misleads(angle, width):
    """Colours that the camera alone decides, of each frame by itself; a few steps learn to believe it."""
    config = UNetConfig.plain((width,), context=8, embed=16, frames=4, sample_size=4, attends=(False,))
    condition = Poses(4)
    unet = widened(fresh(config, seed=0), in_channels=condition.channels, conditions=len(BASE) + 2)
    network = VideoNetwork(unet, None, 1, condition)

    def clips(count, key):
        generator = torch.Generator().manual_seed(key)
        heights = -5 + 35 * torch.rand(count, 1, generator=generator).expand(-1, 4)
        turns = torch.cat([torch.zeros(count, 1), 360 * torch.rand(count, 3, generator=generator)], dim=1)
        colours = [turns.deg2rad().cos(), turns.deg2rad().sin(), heights / 12.5 - 1, 1 - heights / 12.5]
        latents = torch.stack(colours, dim=2)[..., None, None].expand(-1, -1, -1, 4, 4)
        return latents.contiguous(), torch.stack([heights, turns], dim=2)

    def losses(latents, poses, sigma, key):
        ones = torch.ones(len(latents))
        return network(
            latents=latents, noise=noise(latents.shape, key), sigma=sigma * ones,
            condition=torch.zeros_like(latents[:, 0]),  # what is seen says nothing: only the camera does
            added=added(torch.zeros(len(latents), 3), poses), keep_token=ones, keep_frame=ones,
            token=torch.zeros(len(latents), 1, 8),
        )  # fmt: skip

    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for step in range(STEPS):
        latents, poses = clips(32, step)
        losses(latents, poses, 20.0, f"noise {step}").mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    latents, poses = clips(64, 10_000)
    astray = poses.clone()
    if angle == "azimuth":
        astray[:, 1:, 1] = (poses[:, 1:, 1] + 120) % 360
    else:
        astray[..., 0] = 25 - poses[..., 0]  # the high low, and the low high
    with torch.no_grad():
        right, wrong = (float(losses(latents, told, 20.0, "held").mean()) for told in (poses, astray))
    assert right < 0.85 * wrong
