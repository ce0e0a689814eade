"""The model's folder: diffusers opens and runs it, we read back what we wrote; nothing unsafe or broken is taken."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableVideoDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPTextModel

from marey.errors import MareyError
from marey.network import folder as folders
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.folder import ModelInfo, load_model, save_model
from marey.network.unet import SpatioTemporalUNet

WEIGHTS = "diffusion_pytorch_model.safetensors"


def parts(context: int = 24) -> dict:
    torch.manual_seed(0)
    shape = {"head_width": 16, "context": context, "embed": 16, "frames": 4}
    return {
        "unet": SpatioTemporalUNet(UNetConfig.plain((32, 64), **shape)),
        "autoencoder": Autoencoder.build((32, 32, 32), seed=0),
        "image_embedder": ImageEmbedder.build(context, hidden=32, seed=0),
        "text_embedder": TextEmbedder.build(["a dog", "a cat and a dog"] * 2, context, tokens=8, seed=0),
        "unet_image": SpatioTemporalUNet(UNetConfig.plain((32, 64), in_channels=4, **shape)),
    }


def save(folder: Path, **changes) -> Path:
    given = {**parts(), "card": "# A card\n", "frames": 4, "size": 64, "fps": 7.5, "sigma_max": 80.0, **changes}
    return save_model(folder, **given)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_diffusers_pipeline_opens_and_runs_it(saved):
    pipeline = StableVideoDiffusionPipeline.from_pretrained(saved)
    pipeline.set_progress_bar_config(disable=True)
    still = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    result = pipeline(still, height=64, width=64, num_frames=4, num_inference_steps=2, output_type="np").frames
    assert result.shape == (1, 4, 64, 64, 3)
    assert np.isfinite(result).all()
    assert pipeline.scheduler.sigmas[0] == pytest.approx(80.0)
    for name, part in (("unet", parts()["unet"]), ("image_encoder", parts()["image_embedder"].model)):
        for key, value in part.state_dict().items():
            assert torch.equal(getattr(pipeline, name).state_dict()[key], value), key


def test_transformers_opens_the_text_encoder_and_its_tokenizer(saved):
    embedder = parts()["text_embedder"]
    tokenizer = AutoTokenizer.from_pretrained(saved / "tokenizer")
    model = CLIPTextModel.from_pretrained(saved / "text_encoder").eval()
    rows = tokenizer(
        ["a dog", "unseen words"], padding="max_length", truncation=True, max_length=8, return_tensors="pt"
    )
    assert torch.equal(rows["input_ids"], embedder.tokenize(["a dog", "unseen words"]))
    with torch.no_grad():
        expected = embedder.eval()(["a dog", "unseen words"])
        torch.testing.assert_close(model(rows["input_ids"]).last_hidden_state, expected)


def test_what_is_read_is_what_was_written(saved):
    read, made = load_model(saved), parts()
    for name, part in made.items():
        again = getattr(read, name)
        assert not again.training
        for (key, value), (other, same) in zip(
            sorted(part.state_dict().items()), sorted(again.state_dict().items()), strict=True
        ):
            assert key == other
            assert torch.equal(value, same), key
    assert read.unet.config == made["unet"].config
    assert read.text_embedder.tokenize(["a cat"]).tolist() == made["text_embedder"].tokenize(["a cat"]).tolist()
    assert read.info == ModelInfo(
        frames=4, height=64, width=64, fps=7.5, steps=25, guidance=(1.0, 2.0), sigma_min=0.002, sigma_max=80.0
    )
    assert (saved / "README.md").read_text() == "# A card\n"


def test_it_holds_no_pickle_and_nothing_of_the_moment(saved, tmp_path):
    files = {path.relative_to(saved) for path in saved.rglob("*") if path.is_file()}
    assert {path.suffix for path in files} == {".json", ".safetensors", ".md"}
    again = save(tmp_path / "again")
    for path in files:
        assert (saved / path).read_bytes() == (again / path).read_bytes(), path


def test_the_image_stage_need_not_be_there(tmp_path):
    folder = save(tmp_path / "bare", text_embedder=None, unet_image=None)
    read = load_model(folder)
    assert read.text_embedder is None
    assert read.unet_image is None
    assert not (folder / "tokenizer").exists()


def test_weights_may_be_half_sharded_or_under_an_old_prefix(copy):
    unet = copy / "unet"
    state = {key: value.half() for key, value in load_file(unet / WEIGHTS).items()}
    (unet / WEIGHTS).unlink()
    save_file(state, unet / "diffusion_pytorch_model.fp16.safetensors")
    read = load_model(copy)
    assert read.saved_dtype == read.unet.conv_in.weight.dtype == torch.float16
    assert load_model(copy, dtype=torch.float32).unet.conv_in.weight.dtype == torch.float32
    assert load_model(copy, dtype=torch.bfloat16).autoencoder.vae.dtype == torch.float32

    (unet / "diffusion_pytorch_model.fp16.safetensors").unlink()
    halves = dict(sorted(state.items())[::2]), dict(sorted(state.items())[1::2])
    index = {"weight_map": {key: f"{n}.safetensors" for n, half in enumerate(halves) for key in half}}
    for n, half in enumerate(halves):
        save_file(half, unet / f"{n}.safetensors")
    (unet / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    for key, value in load_model(copy).unet.state_dict().items():
        assert torch.equal(value, state[key])
    edit(unet / f"{WEIGHTS}.index.json", weight_map={"conv_in.weight": "../vae/" + WEIGHTS})
    with pytest.raises(MareyError, match="safetensors files beside it"):
        load_model(copy)

    save_file(state, unet / WEIGHTS)
    text = copy / "text_encoder" / "model.safetensors"
    save_file({key.removeprefix("text_model."): value for key, value in load_file(text).items()}, text)
    assert load_model(copy).text_embedder is not None


def test_a_folder_of_diffusers_own_saving_is_a_model_too(saved, tmp_path):
    pipeline = StableVideoDiffusionPipeline.from_pretrained(saved)
    pipeline.save_pretrained(tmp_path / "theirs")
    read = load_model(tmp_path / "theirs")
    assert read.info == ModelInfo(frames=4, height=64, width=64, sigma_max=80.0)
    for key, value in load_model(saved).autoencoder.state_dict().items():
        assert torch.equal(read.autoencoder.state_dict()[key], value)


class TestUnsafe:
    def test_a_pickle_is_refused_with_a_sentence(self, copy):
        class Bomb:
            def __reduce__(self):
                return os.mkdir, (str(copy / "exploded"),)

        (copy / "unet" / WEIGHTS).unlink()
        (copy / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(MareyError, match=r"diffusion_pytorch_model\.bin is a pickle.*safetensors file would do"):
            load_model(copy)
        assert not (copy / "exploded").exists()

    @pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".ckpt", ".pkl"])
    def test_a_file_that_is_a_pickle_too(self, tmp_path, suffix):
        file = tmp_path / f"model{suffix}"
        file.write_bytes(pickle.dumps({}))
        with pytest.raises(MareyError, match="is a pickle"):
            load_model(file)

    def test_no_code_of_the_folder_is_run(self, copy):
        for name in ("unet/unet.py", "pipeline.py", "__init__.py", "image_encoder/modeling.py"):
            (copy / name).write_text("raise SystemExit('ran')")
        edit(copy / "image_encoder" / "config.json", auto_map={"AutoModel": "modeling.Evil"})
        edit(copy / "tokenizer" / "tokenizer_config.json", auto_map={"AutoTokenizer": ["modeling.Evil", None]})
        assert load_model(copy).text_embedder is not None

    @pytest.mark.parametrize(
        ("file", "changes", "said"),
        [
            ("model_index.json", {"_class_name": "WanPipeline"}, "is of a WanPipeline"),
            ("model_index.json", {"unet": ["evil", "Evil"]}, r"has unet = \['evil', 'Evil'\]"),
            ("model_index.json", {"vae": None}, "has vae = None"),
            ("model_index.json", {"safety_checker": ["a", "b"]}, "has a part 'safety_checker'"),
            ("unet/config.json", {"_class_name": "UNet2DConditionModel"}, "is of a UNet2DConditionModel"),
            ("vae/config.json", {"_class_name": "AutoencoderKL"}, "is of a AutoencoderKL"),
            ("image_encoder/config.json", {"architectures": ["Evil"]}, "is of a Evil"),
            ("text_encoder/config.json", {"architectures": ["Evil"]}, "is of a Evil"),
        ],
    )
    def test_classes_of_other_names_are_refused(self, copy, file, changes, said):
        edit(copy / file, **changes)
        with pytest.raises(MareyError, match=said):
            load_model(copy)


class TestBroken:
    def change(self, file: Path, **changes) -> None:
        state = {**load_file(file), **changes}
        save_file({key: value for key, value in state.items() if value is not None}, file)

    def test_a_missing_key_is_named(self, copy):
        self.change(copy / "unet" / WEIGHTS, **{"conv_in.bias": None})
        with pytest.raises(MareyError, match=r"no weight 'conv_in\.bias'"):
            load_model(copy)

    def test_a_wrong_shape_is_named_with_both(self, copy):
        self.change(copy / "unet" / WEIGHTS, **{"conv_in.bias": torch.zeros(7)})
        with pytest.raises(MareyError, match=r"'conv_in\.bias' of shape \(7,\).*asks for \(32,\)"):
            load_model(copy)

    def test_a_key_too_many_is_named_but_for_a_constant_of_old_transformers(self, copy):
        file = copy / "image_encoder" / "model.safetensors"
        self.change(file, **{"vision_model.embeddings.position_ids": torch.arange(50)[None]})
        load_model(copy)
        self.change(file, surprise=torch.zeros(1))
        with pytest.raises(MareyError, match="'surprise'"):
            load_model(copy)

    @pytest.mark.parametrize("file", ["unet/config.json", "vae/config.json", "model_index.json", "marey.json"])
    def test_json_that_is_cut_short(self, copy, file):
        (copy / file).write_text((copy / file).read_text()[:-20])
        with pytest.raises(MareyError, match=r"\.json cannot be read"):
            load_model(copy)

    def test_files_that_are_not_there_or_cut_short(self, copy, tmp_path):
        with pytest.raises(MareyError, match="There is no model at"):
            load_model(tmp_path / "nowhere")
        with pytest.raises(MareyError, match=r"model_index\.json is not there"):
            load_model(tmp_path)
        file = copy / "vae" / WEIGHTS
        file.write_bytes(file.read_bytes()[:1000])
        with pytest.raises(MareyError, match="a whole safetensors file would do"):
            load_model(copy)
        file.unlink()
        with pytest.raises(MareyError, match="has no weights"):
            load_model(copy)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"format": 2}, "format 2"),
            ({"sigma": 3}, "'sigma', which is none of"),
            ({"frames": "many"}, "frames = 'many'"),
            ({"guidance": 1.0}, r"guidance = 1\.0"),
        ],
    )
    def test_a_marey_json_that_we_do_not_understand(self, copy, changes, said):
        edit(copy / "marey.json", **changes)
        with pytest.raises(MareyError, match=said):
            load_model(copy)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"image_embedder": ImageEmbedder.build(32, hidden=32)}, "32 wide; the UNet's context is 24"),
            ({"unet": parts()["unet_image"]}, "takes 4 channels"),
            ({"size": (66, 64)}, "66x64: multiples of 4"),
        ],
    )
    def test_parts_that_do_not_fit_together_are_not_saved(self, tmp_path, changes, said):
        with pytest.raises(MareyError, match=said):
            save(tmp_path / "misfit", **changes)
        assert not list(tmp_path.iterdir())


class TestWholeOrNotAtAll:
    def test_a_save_that_fails_leaves_the_old_model(self, copy, monkeypatch):
        def full(*_):
            raise OSError("disk full")

        monkeypatch.setattr(folders, "write_weights", full)
        with pytest.raises(OSError, match="disk full"):
            save(copy)
        monkeypatch.undo()
        load_model(copy)
        assert [path.name for path in copy.parent.iterdir()] == ["copy"]

    def test_a_save_replaces_the_old_model(self, copy):
        (copy / "left_over.txt").write_text("old")
        save(copy, card="# New\n", frames=6)
        assert load_model(copy).info.frames == 6
        assert not (copy / "left_over.txt").exists()
        assert [path.name for path in copy.parent.iterdir()] == ["copy"]

    def test_a_kill_between_the_renames_loses_nothing(self, copy, monkeypatch):
        class Killed(BaseException):
            pass

        calls = []
        replace = os.replace

        def dies(source, target):
            calls.append(target)
            if len(calls) == 2:
                raise Killed
            replace(source, target)

        monkeypatch.setattr(os, "replace", dies)
        with pytest.raises(Killed):
            save(copy, frames=9)
        monkeypatch.undo()
        assert not copy.exists()
        assert load_model(copy).info.frames == 4
        assert save(copy, frames=9) == copy
        assert load_model(copy).info.frames == 9
