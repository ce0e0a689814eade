"""A LoRA and a full finetuning of a model's folder: what is trained, what is written, and what is told before."""

import json
import shutil

import pytest
import torch

from marey import recipe
from marey.catalog import Library
from marey.errors import MareyError
from marey.generate import Model
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import load_model, save_model
from marey.network.lora import pairs_of
from marey.network.lora_formats import load_adapter
from marey.network.sources import convert, parts_of
from marey.network.unet import fresh, is_temporal
from marey.train import finetune as room
from marey.train.encoded import Encoded
from marey.train.finetune import finetune
from marey.train.metrics import Metrics
from marey.train.needs import Needs, demand_fit, needs_of, speed
from marey.train.networks import VideoNetwork

from .pair import together
from .toy import pace

CPU = torch.device("cpu")
STAGE = {"steps": 6, "batch": 4, "lr": 3e-3, "warmup": 2, "ema": 0.5, "precision": "no"}
PLAIN = {"draws": 3, "heldout_least": 4}


def settings(**changes):
    stage = {**STAGE, "evaluate_every": 3, "checkpoint_every": 3, **changes.pop("stage", {})}
    return recipe.Recipe.of({"finetune": {**PLAIN, "stage": stage, **changes}}).finetune


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of random weights whose every layer says something."""
    unet = fresh(UNetConfig.plain((32, 32), context=32, embed=32, frames=4, sample_size=8), seed=0)
    generator = torch.Generator().manual_seed(0)
    for value in unet.parameters():
        value.data += 0.02 * torch.randn(value.shape, generator=generator)
    folder = tmp_path_factory.mktemp("model") / "base"
    autoencoder = Autoencoder.build((32, 32, 32), sample_size=32)
    embedder = ImageEmbedder.build(32, hidden=32, patch=56)
    return save_model(folder, unet, autoencoder, embedder, card="x", frames=4, size=32, fps=8.0)


@pytest.fixture(scope="module")
def library(encoded_library, tmp_path_factory):
    path = shutil.copytree(encoded_library.path, tmp_path_factory.mktemp("copy") / "library")
    with Library.open(path, write=True) as store:
        yield store


def test_a_lora_is_trained_and_written_as_peft_has_it_and_the_base_stays(library, model, monkeypatch):
    monkeypatch.setattr(Encoded, "stills", None)  # no step reads pixels, or runs an encoder
    result = finetune(library, str(model), settings(name="lora", rank=4), "chosen", device="cpu")
    base, tuned = load_model(model).unet, load_model(model).unet
    assert load_adapter(tuned, result.folder, "lora") == "lora"
    pairs = pairs_of(tuned, "lora")
    assert all("temporal_transformer_blocks" in at and ".attn" in at for at in pairs)
    assert {pair.rank for pair in pairs.values()} == {4}
    moved = {at for at, pair in pairs.items() if pair.up.abs().max() > 0}
    assert moved == {at for at in pairs if not (".attn2.to_q" in at or ".attn2.to_k" in at)}
    untouched = {name: value for name, value in tuned.state_dict().items() if "parametrizations" not in name}
    assert all(torch.equal(value, base.state_dict()[name]) for name, value in untouched.items())
    assert result.trained == sum(pairs[at].up.numel() + pairs[at].down.numel() for at in moved)

    import peft

    config = peft.LoraConfig.from_pretrained(result.folder)
    assert config.r == 4
    lines = Metrics(library.path / "runs" / "lora" / "metrics.jsonl").lines("finetune")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    opened = Model.open(model, device="cpu").adapt(result.folder)
    assert any(
        not torch.equal(value, base.state_dict()[name]) for name, value in opened.parts.unet.state_dict().items()
    )


def test_full_finetuning_gives_a_model_in_which_all_of_the_unet_moved(library, model):
    result = finetune(library, str(model), settings(name="whole", full=True), "chosen", device="cpu")
    base, tuned = load_model(model), load_model(result.folder)
    before, after = base.unet.state_dict(), tuned.unet.state_dict()
    idle = tuned.unet.idle(tokens=1, only_stills=False)
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert still <= idle
    assert any(is_temporal(name) for name in set(before) - still)
    for part in ("autoencoder", "image_embedder"):
        one, other = (getattr(parts, part).state_dict() for parts in (base, tuned))
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert (tuned.info.frames, tuned.info.height, tuned.info.fps) == (4, 32, 8.0)


def test_a_second_run_uses_what_was_encoded_and_a_finished_one_does_nothing(library, model, monkeypatch):
    finetune(library, str(model), settings(name="again"), "chosen", device="cpu")

    def never(*_args, **_more):
        raise AssertionError("encoded again")

    monkeypatch.setattr(Autoencoder, "encode", never)
    monkeypatch.setattr(ImageEmbedder, "embed", never)
    finetune(library, str(model), settings(name="other", rank=2), "chosen", device="cpu")
    monkeypatch.setattr("marey.train.stages.VideoTask.heldout", never)
    assert finetune(library, str(model), settings(name="again"), "chosen", device="cpu").loss is not None


@pytest.mark.parametrize("form", ["as diffusers saves it", "one file"])
def test_a_stable_video_diffusion_of_any_form_is_finetuned(library, model, tmp_path, form):
    """In diffusers' own folder nothing of Marey's is left; in one file of Stability's layout there are other names."""
    from diffusers import StableVideoDiffusionPipeline

    if form == "one file":
        given = convert(model, tmp_path / "svd.safetensors")
    else:
        given = tmp_path / "svd"
        StableVideoDiffusionPipeline.from_pretrained(model, local_files_only=True).save_pretrained(given)
        assert not (given / "marey.json").exists()
    asked = {"frames": 4, "fps": 8.0, "height": 32, "width": 32, "rank": 2, "stage": {"steps": 2}}
    name = form.replace(" ", "-")
    result = finetune(library, str(given), settings(name=name, **asked), "chosen", device="cpu")
    tuned = parts_of(given).unet
    pairs = pairs_of(tuned, load_adapter(tuned, result.folder, "lora"))
    assert any(pair.up.abs().max() > 0 for pair in pairs.values())
    asked = {**asked, "full": True, "name": f"all-of-{name}"}
    whole = finetune(library, str(given), settings(**asked), "chosen", device="cpu")
    pipeline = StableVideoDiffusionPipeline.from_pretrained(whole.folder, local_files_only=True)
    before = parts_of(given).unet.state_dict()
    moved = [name for name, value in pipeline.unet.state_dict().items() if not torch.equal(value, before[name])]
    assert len(moved) > 0.8 * len(before)


def test_two_processes_finetune_as_one_and_encode_once(encoded_library, model, tmp_path):
    path = shutil.copytree(encoded_library.path, tmp_path / "library")
    stage = {**STAGE, "steps": 4, "evaluate_every": 2, "checkpoint_every": 2}
    words = {"finetune": {**PLAIN, "name": "two", "stage": stage}}
    together(2, "finetune", str(tmp_path / "two"), str(path), str(model), json.dumps(words))
    with Library.open(path, write=True) as store:
        tuned = recipe.Recipe.of({"finetune": {**words["finetune"], "name": "one"}}).finetune
        finetune(store, str(model), tuned, "chosen", run_folder=tmp_path / "one", device="cpu")
    one, two = (Metrics(tmp_path / name / "metrics.jsonl").lines("finetune") for name in ("one", "two"))
    assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in one], rel=1e-5)
    assert (path / "models" / "two" / "adapter_model.safetensors").is_file()


def test_it_can_encode_in_every_step_too(library, model):
    drawn = settings(name="drawn", draws=0, stage={"steps": 2})
    assert finetune(library, str(model), drawn, "chosen", device="cpu").trained > 0


def test_what_does_not_fit_is_told_before_the_first_step(library, model, monkeypatch):
    monkeypatch.setattr("marey.train.needs.free_memory", lambda device: 2**20)
    with pytest.raises(MareyError, match=r"Finetuning needs about .* MB .*of 1 MB that are free.*--anyway"):
        finetune(library, str(model), settings(name="big"), "chosen", device="cpu")
    assert not (library.path / "runs" / "big" / "checkpoints").exists()
    assert finetune(library, str(model), settings(name="big"), "chosen", device="cpu", anyway=True).trained > 0


def batch(size: int = 2, side: int = 16) -> dict[str, torch.Tensor]:
    ones = torch.ones(size)
    clips = torch.randn(size, 4, 4, side, side)
    return {
        "latents": clips, "noise": clips, "sigma": ones, "condition": clips[:, 0], "added": torch.ones(size, 3),
        "keep_token": ones, "keep_frame": ones, "token": torch.randn(size, 1, 32),
    }  # fmt: skip


def test_the_estimate_counts_what_is_there():
    network = VideoNetwork(fresh(UNetConfig.plain((32, 64), context=32, embed=32, frames=4), seed=0), None)
    count = sum(value.numel() for value in network.parameters() if value.requires_grad)
    needs = needs_of(network, batch(), pace(ema_widths=(0.05, 0.1)), CPU)
    assert needs.weights == 4 * sum(value.numel() for value in network.parameters())
    assert (needs.gradients, needs.optimizer, needs.averages) == (4 * count, 8 * count, 12 * count)

    weights = {value.untyped_storage()._cdata for value in network.state_dict().values()}
    kept = {}

    def keep(value):
        storage = value.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        losses = network(**batch())
    assert needs.activations == pytest.approx(sum(kept.values()), rel=0.15)
    del losses
    assert needs_of(network, batch(4), pace(), CPU).activations == pytest.approx(2 * needs.activations, rel=0.05)
    again = needs_of(network, batch(), pace(), CPU, checkpointing=True)
    assert again.activations < needs.activations / 2
    finest = needs_of(network, batch(), pace(), CPU, checkpointing=(0,))
    assert again.activations < finest.activations < needs.activations
    assert again.flops == pytest.approx(needs.flops * 4 / 3)
    half = needs_of(network, batch(), pace(precision="bf16", accumulate=3), CPU)
    assert half.activations == needs.activations // 2
    assert half.flops == pytest.approx(3 * needs.flops)
    assert all(value.grad is None for value in network.parameters())


def test_what_fits_is_let_through():
    needs = Needs(10, 10, 20, 10, 50, 1e9, 100, 2.0, there=200)
    demand_fit(needs, "A step")
    assert "3.3 min for 100 steps" in str(needs)
    assert speed(CPU, False, seconds=0.01) > 1e8


def test_windows_are_the_models_own_unless_told_otherwise():
    info = load_info(frames=14, height=576, width=1024, fps=7.0)
    own = room.windows_for(info, settings())
    assert (own.shapes, own.fps) == (((14, 576, 1024),), 7.0)
    assert room.windows_for(info, settings(frames=8, height=320, width=576)).shapes == ((8, 320, 576),)


def load_info(**values):
    from marey.network.folder import ModelInfo

    return ModelInfo(**values)
