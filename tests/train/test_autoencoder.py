"""The autoencoder learns from training windows alone, is kept under a fingerprint, and opens in diffusers."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder

from marey import recipe
from marey.errors import MareyError
from marey.train.autoencoder import AutoencoderTask, load_autoencoder, psnr, train_autoencoder
from marey.train.metrics import Metrics
from marey.train.pixels import read_pixels, stacked, to_bytes, to_unit
from marey.train.windows import encoded, plan

from . import made

CPU = torch.device("cpu")
SETTINGS = made.ENCODE.autoencoder


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    with made.library(tmp_path_factory.mktemp("made"), videos=8) as library:
        decoded = read_pixels(library, plan(library, made.ENCODE.windows, "chosen", 0), made.ENCODE.windows)
        yield library, decoded.kind, encoded(library, decoded.kind)


@pytest.fixture(scope="module")
def trained(read, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    return run, train_autoencoder(*read, SETTINGS, 0, run, CPU)


def test_it_learns_to_give_heldout_windows_back(read, trained):
    library, kind, windows = read
    run, folder = trained
    lines = Metrics(run / "metrics.jsonl").lines("autoencoder")
    assert len(lines) == SETTINGS.steps
    curve = [line["psnr"] for line in lines if "psnr" in line]
    heldout = [window for window in windows if window.heldout and not window.photo]
    untrained = AutoencoderTask(library, kind, windows, SETTINGS, 0).autoencoder
    assert curve[-1] > psnr(untrained, library, kind, heldout) + 0.5
    assert psnr(load_autoencoder(folder, CPU), library, kind, heldout) == pytest.approx(curve[-1], abs=1e-3)


def test_latents_times_the_scaling_factor_have_unit_variance(read, trained):
    library, kind, windows = read
    autoencoder = load_autoencoder(trained[1], CPU)
    latents = []
    for window in windows:
        if not window.heldout:
            mean, logvar = autoencoder.encode(to_unit(stacked(library, kind, [window])))
            latents.append((mean + torch.exp(0.5 * logvar) * torch.randn(mean.shape)).flatten())
    assert (torch.cat(latents) * autoencoder.scaling_factor).std().item() == pytest.approx(1.0, abs=0.03)
    assert not any(value.requires_grad for value in autoencoder.parameters())


def test_it_opens_in_diffusers(read, trained):
    library, kind, windows = read
    theirs = AutoencoderKLTemporalDecoder.from_pretrained(trained[1])
    ours = load_autoencoder(trained[1], CPU)
    assert theirs.config.scaling_factor == pytest.approx(ours.scaling_factor)
    pixels = to_unit(stacked(library, kind, windows[:1]))
    assert torch.allclose(theirs.encode(pixels[0]).latent_dist.mean, ours.encode(pixels)[0][0], atol=1e-4)


def test_a_second_call_trains_nothing_and_gives_another_run_the_curve(read, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("marey.train.autoencoder.fit", None)
    assert train_autoencoder(*read, SETTINGS, 0, tmp_path, CPU) == trained[1]
    assert (tmp_path / "metrics.jsonl").read_bytes() == (trained[0] / "metrics.jsonl").read_bytes()


def test_its_name_depends_on_training_pixels_settings_and_seed(read, trained, monkeypatch):
    library, kind, windows = read

    def stopped(*rest, **more):
        raise InterruptedError

    monkeypatch.setattr("marey.train.autoencoder.fit", stopped)
    changed = SETTINGS.model_copy(update={"lr": 1e-2})
    for args in [
        (windows, changed, 0),
        (windows, SETTINGS, 1),
        ([w for w in windows if w.clip != _one(windows)], SETTINGS, 0),
    ]:
        with pytest.raises(InterruptedError):
            train_autoencoder(library, kind, *args, trained[0], CPU)
    without_a_heldout = [w for w in windows if w.clip != _one(windows, heldout=True)]
    assert train_autoencoder(library, kind, without_a_heldout, SETTINGS, 0, trained[0], CPU) == trained[1]


def _one(windows, heldout=False):
    return next(window.clip for window in windows if window.heldout is heldout and not window.photo)


def test_batches_are_of_training_windows_and_functions_of_the_step(read):
    library, kind, windows = read
    task = AutoencoderTask(library, kind, windows, SETTINGS, 0)
    first = task.batch(3)
    task.batch(0)
    again = AutoencoderTask(library, kind, windows, SETTINGS, 0).batch(3)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["pixels"].shape == (SETTINGS.batch, 2, 3, 32, 32)
    pictures = [frame for w in windows if not w.heldout for frame in stacked(library, kind, [w])[0]]
    frames = {picture.tobytes() for picture in pictures} | {picture[:, ::-1].tobytes() for picture in pictures}
    for step in range(12):
        for clip in to_bytes(task.batch(step)["pixels"]):
            assert all(frame.tobytes() in frames for frame in clip)


def test_a_crop_is_anywhere_in_the_frames_and_the_same_in_all_of_a_run(read):
    library, kind, windows = read
    task = AutoencoderTask(library, kind, windows, SETTINGS.model_copy(update={"crop": 16}), 0)
    videos = [stacked(library, kind, [w])[0] for w in windows if not w.heldout]
    videos += [video[:, :, ::-1] for video in videos]
    corners = set()
    for step in range(10):
        for clip in to_bytes(task.batch(step)["pixels"]):
            found = [place for video in videos for place in _within(video, clip)]
            assert found
            corners.update(found[:1])
    assert len(corners) > 6


def _within(video, clip):
    """Where a run of frames lies in a video, a photograph's being repeated: (first frame, top, left)."""
    video = np.repeat(video, 2, axis=0) if len(video) == 1 else video
    size = clip.shape[1]
    for first in range(len(video) - len(clip) + 1):
        for top in range(video.shape[1] - size + 1):
            for left in range(video.shape[2] - size + 1):
                part = video[first : first + len(clip), top : top + size, left : left + size]
                if np.array_equal(part[:, 0, 0], clip[:, 0, 0]) and np.array_equal(part, clip):
                    yield first, top, left


def test_a_size_that_the_factor_does_not_divide_is_refused(read):
    library, kind, windows = read
    four = recipe.Autoencoder(channels=(32, 32, 32, 32, 32, 32, 32))
    with pytest.raises(MareyError, match="multiple of the autoencoder's factor of 64"):
        AutoencoderTask(library, kind, windows, four, 0)


def test_a_broken_folder_is_named(tmp_path):
    with pytest.raises(MareyError, match="holds no whole autoencoder"):
        load_autoencoder(tmp_path, CPU)
