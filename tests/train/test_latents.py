"""Encoding a selection, once."""

import json

import pytest
import torch

from marey.errors import MareyError
from marey.train.autoencoder import load_autoencoder
from marey.train.latents import encode
from marey.train.metrics import Metrics
from marey.train.pixels import stacked, to_unit
from marey.train.windows import encoded

from . import made


@pytest.fixture
def library(encoded_library):
    return encoded_library


@pytest.fixture
def summary(encoding):
    return encoding[1]


def test_the_summary_counts_what_there_is(library, summary):
    windows = encoded(library, summary.latents)
    assert summary.train + summary.heldout == 10 * 4
    assert summary.heldout == sum(window.heldout and not window.photo for window in windows) >= 4
    assert summary.photos == sum(window.photo and not window.heldout for window in windows) > 0
    assert summary.groups == 12
    assert summary.decoded >= 10 * 16
    assert 15 < summary.psnr < 60
    assert f"{summary.heldout} held out" in str(summary)


def test_latents_are_the_encoders_mean_and_logvar(library, summary):
    autoencoder = load_autoencoder(library.path / summary.autoencoder, torch.device("cpu"))
    window = encoded(library, summary.latents)[5]
    arrays = library.tensor(summary.latents, window.id)
    mean, logvar = autoencoder.encode(to_unit(stacked(library, summary.pixels, [window])))
    assert arrays["mean"].shape == (len(window.pts), 4, 8, 8)
    assert torch.allclose(torch.from_numpy(arrays["mean"]), mean[0], atol=1e-5)
    assert torch.allclose(torch.from_numpy(arrays["logvar"]), logvar[0], atol=1e-5)


def test_the_fact_tells_later_steps_where_everything_is(library, summary):
    fact = library.facts["encode/chosen"]
    assert (fact["pixels"], fact["latents"], fact["autoencoder"]) == (
        summary.pixels,
        summary.latents,
        summary.autoencoder,
    )
    assert not fact["autoencoder"].startswith("/")
    infos = [json.loads(row["info"]) for row in library.rows("select info from tensors where kind = ?", fact["pixels"])]
    assert {info["split"] for info in infos} == {"train", "heldout"}
    wanted = {"clip", "footage", "group", "first_frame", "stride", "fps", "pts", "motion", "motion_bucket", "split"}
    assert all(wanted | {"caption", "photo"} <= set(info) for info in infos)


def test_a_second_call_does_nothing(library, summary, monkeypatch):
    for name in ("fit", "psnr"):
        monkeypatch.setattr(f"marey.train.autoencoder.{name}", None)
    monkeypatch.setattr("marey.train.pixels.frames_at", None)
    monkeypatch.setattr("marey.train.latents.psnr", None)
    shards = sorted(path for path in library.path.rglob("*.safetensors"))
    again = encode(library, made.ENCODE, "chosen", seed=0, run_folder=library.path / "runs" / "two", device="cpu")
    assert (again.latents, again.psnr, again.decoded) == (summary.latents, summary.psnr, 0)
    assert sorted(path for path in library.path.rglob("*.safetensors")) == shards
    curves = [Metrics(library.path / "runs" / run / "metrics.jsonl").lines("autoencoder") for run in ("encode", "two")]
    assert curves[0] == curves[1] != []


def test_forgetting_a_footage_takes_its_windows_along(tmp_path):
    from marey.catalog import forget

    with made.library(tmp_path, videos=6) as library:
        summary = encode(library, _quick(), "chosen", seed=0, run_folder=tmp_path / "run", device="cpu")
        done = forget(library, str(tmp_path / "video 2.mp4"))
        assert summary.autoencoder in done.models
        for kind in (summary.pixels, summary.latents):
            assert not any(window.clip == "v2" for window in encoded(library, kind))
            for window in encoded(library, kind):
                library.tensor(kind, window.id)


def test_killed_while_encoding_it_goes_on_and_comes_to_the_same(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    results = []
    for where, steps in (("a", ()), ("b", (4, 11))):
        with made.library(tmp_path / where, videos=6) as library:
            for stop in steps:
                real = AutoencoderStop(stop, Killed)
                monkeypatch.setattr("marey.train.autoencoder.AutoencoderTask.batch", real)
                with pytest.raises(Killed):
                    encode(library, _quick(), "chosen", seed=0, run_folder=tmp_path / where / "run", device="cpu")
                monkeypatch.undo()
            summary = encode(library, _quick(), "chosen", seed=0, run_folder=tmp_path / where / "run", device="cpu")
            arrays = [
                library.tensor(summary.latents, window.id)["mean"] for window in encoded(library, summary.latents)
            ]
            results.append((summary.latents, [array.tobytes() for array in arrays]))
    assert results[0] == results[1]
    assert (tmp_path / "a/run/metrics.jsonl").read_bytes() == (tmp_path / "b/run/metrics.jsonl").read_bytes()


def AutoencoderStop(stop, error):
    from marey.train.autoencoder import AutoencoderTask

    real = AutoencoderTask.batch

    def batch(self, step):
        if step == stop:
            raise error
        return real(self, step)

    return batch


def _quick():
    autoencoder = made.ENCODE.autoencoder.model_copy(
        update={"steps": 14, "checkpoint_every": 3, "channels": (32, 32), "evaluate_every": 14}
    )
    return made.ENCODE.model_copy(update={"autoencoder": autoencoder})


def test_too_little_footage_is_an_error(tmp_path):
    with made.library(tmp_path, videos=1) as library, pytest.raises(MareyError, match="cannot be held out"):
        encode(library, made.ENCODE, "chosen", device="cpu")
