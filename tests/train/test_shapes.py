"""Windows of several shapes from footage to batch, pictures and videos in one batch, and conditions that are kept."""

import numpy as np
import pytest
import torch

from marey import recipe
from marey.errors import MareyError
from marey.network.unet import is_temporal
from marey.recipe import Recipe
from marey.train.autoencoder import load_autoencoder
from marey.train.conditions import digest, keep_conditions
from marey.train.encoded import Encoded
from marey.train.pixels import read_pixels, stacked
from marey.train.stages import VideoTask
from marey.train.windows import encoded, plan

from . import made
from .test_stages import STAGE, video_network

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def autoencoder(encoded_library):
    return load_autoencoder(encoded_library.path / encoded_library.facts["encode/chosen"]["autoencoder"], CPU)


@pytest.fixture(scope="module")
def data(encoded_library, autoencoder):
    fact = encoded_library.facts["encode/chosen"]
    windows = encoded(encoded_library, fact["latents"])
    return Encoded.of(encoded_library, fact["pixels"], fact["latents"], autoencoder.scaling_factor, windows)


def test_a_clip_goes_to_the_bucket_of_its_proportions_as_long_as_it_fills(tmp_path):
    with made.library(tmp_path, videos=8, frames=16) as store:
        made.add_video(store, tmp_path, 8, frames=6)
        made.choose(store, [f"v{n}" for n in range(9)])
        buckets = ((4, 24, 32), (8, 24, 32), (8, 32, 24), (12, 32, 32))  # the footage is 64x48
        settings = recipe.Windows(fps=8, buckets=buckets, heldout_least=2)
        planned = plan(store, settings, "chosen", 0)
        by_clip = {window.clip: window.shape for window in planned.windows}
        assert by_clip["v8"] == (4, 24, 32)
        assert {by_clip[f"v{n}"] for n in range(8)} == {(8, 24, 32)}
        kind = read_pixels(store, planned, settings).kind
        for window in planned.windows:
            assert stacked(store, kind, [window]).shape == (1, *window.shape, 3)
        # The whole width is seen, where a square would have cut it.
        wide = stacked(store, kind, [planned.windows[0]])[0, 0]
        full = made.disc(0, 16)[planned.windows[0].first_frame]
        assert np.abs(wide.mean((0, 1)) - full.mean((0, 1))).max() < 6


def test_buckets_that_cannot_be_are_told():
    with pytest.raises(MareyError, match=r"buckets has \(1, 64, 64\)"):
        Recipe.of({"encode": {"windows": {"buckets": [[1, 64, 64]]}}})


def test_pictures_share_a_batch_with_videos_and_leave_what_mixes_frames_alone(data, autoencoder):
    network = video_network()
    with torch.no_grad():  # a network that says nothing has no gradient to look at
        for value in network.parameters():
            value.add_(0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    settings = STAGE.model_copy(update={"batch": 6, "pictures": 0.5, "drop_condition": 0.0})
    task = VideoTask("video", data, settings, network, autoencoder, 0)
    batch = task.batch(3)
    assert batch["image_only"].tolist() == [[0.0] * 4] * 3 + [[1.0] * 4] * 3
    assert batch["keep_token"].tolist() == batch["keep_frame"].tolist() == [1.0] * 3 + [0.0] * 3
    assert batch["added"][3:].abs().max() == 0 < batch["added"][:3].abs().max()

    plain = VideoTask("video", data, settings.model_copy(update={"pictures": 0.0}), network, autoencoder, 0).batch(3)
    assert torch.equal(batch["latents"][:3], plain["latents"][:3])
    # The frames of a row of pictures are pictures of their own: no two are neighbours of one clip, as a rule.
    distances = [(row[1:] - row[:-1]).abs().mean().item() for row in batch["latents"]]
    assert min(distances[3:]) > max(distances[:3])

    rows = {name: value[3:] for name, value in batch.items()}
    network(**rows).mean().backward()
    for name, value in network.unet.named_parameters():
        if is_temporal(name):
            assert value.grad is None or value.grad.abs().max() == 0
    network.zero_grad(set_to_none=True)
    losses = network(**batch)
    losses.mean().backward()
    assert any(
        is_temporal(n) and v.grad is not None and v.grad.abs().max() > 0 for n, v in network.unet.named_parameters()
    )
    # A picture's loss is its own, whoever its neighbours in time are.
    turned = {name: value.clone() for name, value in rows.items()}
    turned["latents"], turned["noise"] = rows["latents"].flip(1), rows["noise"].flip(1)
    assert torch.allclose(network(**turned), losses[3:], atol=1e-5)
    turned["image_only"] = torch.zeros_like(rows["image_only"])
    assert not torch.allclose(network(**turned), losses[3:], atol=1e-5)


def test_kept_conditions_are_the_encoders_and_need_no_pixels(encoded_library, data, autoencoder, monkeypatch):
    network = video_network()
    kept = keep_conditions(
        encoded_library, data.pixels, [*data.training, *data.judged], autoencoder, network.image_embedder,
        draws=16, mean=-3.0, std=0.5, seed=0,
    )  # fmt: skip
    window = next(window for window in data.training if not window.photo)
    still = data.stills([window])
    found = kept.of([window], torch.zeros(1))
    assert torch.allclose(found["token"], network.image_embedder(still).detach(), atol=1e-5)
    assert found["strength"].item() == pytest.approx(np.exp(-3.0), rel=1e-5)
    clean = autoencoder.encode(still[:, None])[0][:, 0].detach()
    assert 0 < (found["condition"] - clean).abs().mean() < 0.2
    strengths = torch.cat([kept.of([window], torch.tensor([n / 16]))["strength"] for n in range(16)]).log()
    assert len(set(strengths.tolist())) == 16
    assert strengths.mean().item() == pytest.approx(-3.0, abs=0.5)

    monkeypatch.setattr(Encoded, "stills", None)  # nothing asks for pixels any more
    settings = STAGE.model_copy(update={"drop_condition": 0.0})
    task = VideoTask("video", data, settings, network, autoencoder, 0, conditions=kept)
    batch = task.batch(0)
    assert "still" not in batch
    assert torch.allclose(network(**batch), network(**batch))
    assert task.heldout(lambda b: network(**b).detach())["heldout"] > 0
    assert set(batch["added"][:, 2].tolist()) <= {
        float(s) for w in data.training if not w.photo for s in encoded_library.tensor(kept.frames, w.id)["strength"]
    }


def test_other_weights_are_other_conditions(autoencoder):
    before = digest(autoencoder.vae)
    assert before == digest(autoencoder.vae)
    changed = {name: value.clone() for name, value in autoencoder.vae.state_dict().items()}
    other = type(autoencoder)(autoencoder.config)
    other.vae.load_state_dict(changed)
    assert digest(other.vae) == before
    next(iter(other.vae.parameters())).data.flatten()[0] += 1e-6
    assert digest(other.vae) != before
