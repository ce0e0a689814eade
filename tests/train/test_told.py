"""Finetuning of a model that takes texts: who is told what, what is trained, and what opens afterwards."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from marey import recipe
from marey.catalog import Library
from marey.errors import MareyError
from marey.generate import Model
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.folder import load_model, save_model
from marey.network.lora import pairs_of
from marey.network.lora_formats import load_adapter
from marey.network.unet import fresh
from marey.train.encoded import Encoded
from marey.train.finetune import finetune
from marey.train.joint import DROP_TEXT, NOISIER, UNSAID
from marey.train.metrics import Metrics
from marey.train.networks import VideoNetwork
from marey.train.texts import embedded as embed_text
from marey.train.texts import keep_texts
from marey.train.told import ToldTask
from marey.train.windows import encoded

CPU = torch.device("cpu")
STAGE = {"steps": 4, "batch": 4, "lr": 3e-3, "warmup": 1, "ema": 0.5, "precision": "no"}
TEXTS = ("Jules jumps.", "Jules leaps over a snail.", "a clip.", "a disc of colour 0.")


def settings(**changes):
    stage = {**STAGE, "evaluate_every": 2, "checkpoint_every": 2, **changes.pop("stage", {})}
    return recipe.Recipe.of({"finetune": {"draws": 2, "heldout_least": 4, "stage": stage, **changes}}).finetune


def network() -> tuple[UNetConfig, TextEmbedder]:
    config = UNetConfig.plain((32, 32), context=32, embed=32, frames=4, sample_size=8)
    return config, TextEmbedder.build(TEXTS * 3, 32, tokens=8, seed=0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of random weights that takes texts, whose every layer says something."""
    config, texts = network()
    unet = fresh(config, seed=0)
    generator = torch.Generator().manual_seed(0)
    for value in unet.parameters():
        value.data += 0.02 * torch.randn(value.shape, generator=generator)
    embedder = ImageEmbedder.build(32, hidden=32, patch=56)
    autoencoder = Autoencoder.build((32, 32, 32), sample_size=32)
    folder = tmp_path_factory.mktemp("model") / "told"
    words = {"frames": 4, "size": 32, "fps": 8.0, "steps": 2, "guidance": (1.0, 1.0), "holds": True}
    return save_model(folder, unet, autoencoder, embedder, card="x", text=True, text_embedder=texts, **words)


@pytest.fixture(scope="module")
def library(encoded_library, tmp_path_factory):
    path = shutil.copytree(encoded_library.path, tmp_path_factory.mktemp("copy") / "library")
    with Library.open(path, write=True) as store:
        yield store


@pytest.fixture
def still():
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def task(library, **changes) -> ToldTask:
    """On stills of this library, encoded by an autoencoder that no one has to know."""
    fact = library.facts["encode/chosen"]
    windows = encoded(library, fact["latents"])
    data = Encoded.of(library, fact["pixels"], fact["latents"], 1.0, windows)
    config, texts = network()
    stage = recipe.Stage(**{**STAGE, "drop_condition": 0.0, **changes})
    tokens = VideoNetwork(fresh(config, seed=0), ImageEmbedder.build(32, hidden=32, patch=56), texts.tokens + 1)

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def encode(self, frames):
            return torch.nn.functional.avg_pool2d(frames.flatten(0, 1), 4)[None, :, [0, 1, 2, 0]].transpose(0, 1), None

    return ToldTask("finetune", data, stage, tokens, Encoder(), 3, texts)


def test_all_of_the_unet_is_trained_and_the_folder_animates_and_imagines(library, model, still):
    result = finetune(library, str(model), settings(name="whole", full=True), "chosen", device="cpu")
    base, tuned = load_model(model), load_model(result.folder)
    before, after = base.unet.state_dict(), tuned.unet.state_dict()
    assert {name for name in before if torch.equal(before[name], after[name])} == set()  # also who asks the texts
    for part in ("autoencoder", "image_embedder", "text_embedder"):
        one, other = (getattr(parts, part).state_dict() for parts in (base, tuned))
        assert all(torch.equal(one[name], other[name]) for name in one)
    opened = Model.open(result.folder, device="cpu")
    assert opened.info == base.info
    assert opened.animate(still).frames.shape == (4, 32, 32, 3)
    one, other = (opened.imagine(text).frames for text in ("Jules jumps.", "a clip."))
    assert not np.array_equal(one, other)


def test_a_lora_learns_who_asks_the_texts_and_fits_the_base(library, model, still):
    result = finetune(library, str(model), settings(name="lora", rank=2), "chosen", device="cpu")
    tuned = load_model(model).unet
    load_adapter(tuned, result.folder, "lora")
    assert all(pair.up.abs().max() > 0 for pair in pairs_of(tuned, "lora").values())
    base, adapted = Model.open(model, device="cpu"), Model.open(model, device="cpu").adapt(result.folder)
    videos = [opened.imagine("Jules jumps.", still).frames for opened in (base, adapted)]
    assert not np.array_equal(*videos)


def test_a_run_that_is_cut_off_goes_on_exactly(library, model, tmp_path):
    words = {"full": True, "stage": {"checkpoint_every": 1}}
    whole = finetune(library, str(model), settings(name="once", **words), "chosen", device="cpu")

    def cut(what, done, *_):
        if what == "training: finetune" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(library, str(model), settings(name="twice", **words), "chosen", device="cpu", progress=cut)
    again = finetune(library, str(model), settings(name="twice", **words), "chosen", device="cpu")
    one, other = (load_model(found.folder).unet.state_dict() for found in (whole, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    curves = [Metrics(library.path / "runs" / name / "metrics.jsonl").lines("finetune") for name in ("once", "twice")]
    assert [line["loss"] for line in curves[0]] == [line["loss"] for line in curves[1]]


def test_what_does_not_fit_is_told_before_the_first_step(library, model, monkeypatch):
    monkeypatch.setattr("marey.train.needs.free_memory", lambda device: 2**20)
    with pytest.raises(MareyError, match=r"Finetuning needs about .* of 1 MB that are free"):
        finetune(library, str(model), settings(name="big"), "chosen", device="cpu")


def test_captions_are_embedded_once_and_kept_by_their_embedder(library, monkeypatch):
    texts = TextEmbedder.build(TEXTS * 3, 32, tokens=8, seed=7)  # that no model here has
    windows = [w for w in encoded(library, library.facts["encode/chosen"]["latents"]) if w.captions]
    calls: list[str] = []
    real = TextEmbedder.forward
    monkeypatch.setattr(TextEmbedder, "forward", lambda self, said: (calls.extend(said), real(self, said))[1])
    of = keep_texts(library, windows, texts)
    assert calls
    calls.clear()
    again = keep_texts(library, windows, texts)
    assert not calls  # another run finds them
    for text in {text for window in windows for text, _ in window.captions}:
        assert torch.equal(again(text), of(text))
        assert not calls
        assert torch.equal(of(text), embed_text(texts, text))
        calls.clear()
    other = replace(windows[0], captions=(("a new caption", 1.0),))
    keep_texts(library, [other, *windows[1:]], texts)
    assert len(calls) == 1  # of it alone
    calls.clear()
    keep_texts(library, windows, TextEmbedder.build(TEXTS * 3, 32, tokens=8, seed=1))
    assert calls  # another embedder has its own


def test_half_of_the_clips_are_asked_for_by_their_text_alone(library):
    made = task(library, batch=16)
    batches = [made.batch(step) for step in range(30)]
    rows = {name: torch.cat([batch[name] for batch in batches]) for name in ("keep_token", "keep_frame", "added")}
    text = torch.cat([batch["text"] for batch in batches])
    heard = text.flatten(1).abs().amax(1) > 0
    alone = rows["keep_token"] == 0
    assert torch.equal(alone, rows["keep_frame"] == 0)  # nothing else is dropped here
    assert float(alone.float().mean()) == pytest.approx(0.5, abs=0.08)
    assert bool(heard[alone].all())
    assert float(heard[~alone].float().mean()) == pytest.approx(1 - DROP_TEXT, abs=0.1)
    assert float((rows["added"][:, 1] == UNSAID).float().mean()) == pytest.approx(0.5, abs=0.08)
    assert 2 <= len({tuple(one.tolist()) for one in text[heard].flatten(1)}) <= 6  # captions of clips, not of places

    plain = super(ToldTask, made)
    louder = torch.cat([batches[step]["sigma"] / plain.rows(step, range(16))["sigma"] for step in range(30)])
    assert torch.equal(louder == NOISIER, alone)
    assert torch.equal(louder == 1, ~alone)


def test_a_clip_without_captions_is_asked_for_by_its_still(library, monkeypatch):
    made = task(library, batch=16)
    monkeypatch.setattr("marey.train.told.draw_caption", lambda captions, *key: "")
    batch = made.batch(0)
    assert not batch["text"].any()
    assert bool((batch["keep_token"] == 1).all())
    assert bool((batch["keep_frame"] == 1).all())


def test_a_row_does_not_depend_on_the_others(library):
    made, other = task(library, batch=6), task(library, batch=6)
    whole, some = made.batch(5), other.rows(5, [4, 1])
    assert all(torch.equal(some[name], whole[name][[4, 1]]) for name in whole)


def test_rows_of_pictures_are_told_nothing(library):
    batch = task(library, batch=8, pictures=0.5).batch(0)
    pictures = batch["image_only"][:, 0] == 1
    assert int(pictures.sum()) == 4
    assert not batch["text"][pictures].any()
    assert not batch["added"][pictures].any()


def test_held_out_loss_hears_the_captions(library):
    made = task(library)
    heard = []

    def losses(batch):
        heard.append(batch["text"])
        return batch["sigma"]

    made.heldout(losses)
    assert all(bool((text.flatten(1).abs().amax(1) > 0).all()) for text in heard)


def test_marey_tiny_is_finetuned(library, still):
    words = {"name": "tiny", "rank": 4, "frames": 4, "stage": {"steps": 2, "batch": 2, "samples_every": 2}}
    result = finetune(library, "marey-tiny", settings(**words), "chosen", device="cpu")
    assert result.loss is not None
    shown = library.path / "runs" / "tiny" / "validation" / "finetune" / "step-000002.mp4"
    assert shown.is_file()
    opened = Model.open(device="cpu").adapt(result.folder)
    assert opened.imagine("Jules jumps.", frames=4, steps=1).frames.shape == (4, 64, 64, 3)
    assert opened.animate(still, frames=4, steps=1).frames.shape == (4, 64, 64, 3)
