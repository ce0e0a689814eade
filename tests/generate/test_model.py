"""An open model against diffusers' own pipeline on the same folder."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableVideoDiffusionPipeline
from PIL import Image
from typer.testing import CliRunner

import marey
from marey.cli import app
from marey.errors import MareyError
from marey.generate import Model, Video
from marey.generate.memory import plan_memory, usable
from marey.generate.offload import Saving
from marey.generate.plan import plan_for
from marey.generate.preview import frames_of, linear_of
from marey.generate.shapes import Shapes
from marey.media import probe
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import save_model
from marey.network.lora import Pair, layers_of, put_adapter
from marey.network.lora_formats import save_adapter
from marey.network.unet import SpatioTemporalUNet


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    unet = SpatioTemporalUNet(UNetConfig.plain((32, 64), head_width=16, context=24, embed=16, frames=4))
    for name, value in unet.named_parameters():
        if name.endswith("mix_factor"):
            torch.nn.init.normal_(value)
    autoencoder = Autoencoder.build((32, 32, 32), seed=0)
    autoencoder.set_scaling_factor(0.7)
    embedder = ImageEmbedder.build(24, hidden=32, seed=0)
    where = tmp_path_factory.mktemp("models") / "tiny"
    return save_model(
        where, unet, autoencoder, embedder, card="", frames=4, size=(32, 48), fps=7.5, steps=4, sigma_max=80.0
    )


@pytest.fixture(scope="module")
def model(folder) -> Model:
    return Model.open(folder, device="cpu")


@pytest.fixture(scope="module")
def pipeline(folder) -> StableVideoDiffusionPipeline:
    pipeline = StableVideoDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stills(count: int = 1, height: int = 32, width: int = 48) -> np.ndarray:
    """Gradients that differ in colour and direction."""
    y, x = np.mgrid[:height, :width] / (height + width)
    made = [np.stack([x * (n + 1), y, (x + y) / (n + 1)], axis=-1) % 1 for n in range(count)]
    return (np.stack(made) * 255).astype(np.uint8)


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


@pytest.mark.parametrize("guidance", [(1.0, 3.0), (1.0, 1.0), (1.5, 2.5)])
def test_latents_equal_those_of_diffusers_pipeline_from_the_same_noise(model, pipeline, guidance):
    noise = torch.randn(1, 5, 4, 8, 12, generator=torch.Generator().manual_seed(1))
    still = Image.fromarray(stills()[0])
    theirs = pipeline(
        still,
        height=32,
        width=48,
        num_frames=5,
        num_inference_steps=6,
        min_guidance_scale=guidance[0],
        max_guidance_scale=guidance[1],
        fps=12,
        motion_bucket_id=200,
        noise_aug_strength=0.0,
        latents=noise,
        output_type="latent",
    ).frames
    how = {"frames": 5, "steps": 6, "fps": 12, "motion": 200, "noise_aug": 0.0}
    ours = model.animate(still, guidance=guidance, noise=noise, output="latents", **how)
    assert relative(ours, theirs) < 1e-4
    # Controls: each of these is heard.
    for change in ({"fps": 6}, {"motion": 10}, {"steps": 7}, {"guidance": (1.0, 5.0)}, {"solver": "heun"}):
        other = model.animate(still, noise=noise, output="latents", **{"guidance": guidance, **how, **change})
        assert relative(other, theirs) > 1e-4


def test_one_seed_gives_the_video_that_diffusers_gives_for_it(model, pipeline):
    still = Image.fromarray(stills()[0])
    theirs = pipeline(
        still,
        height=32,
        width=48,
        num_frames=4,
        num_inference_steps=4,
        max_guidance_scale=2.0,
        fps=7.5,
        noise_aug_strength=0.5,
        generator=torch.Generator().manual_seed(9),
        output_type="np",
    ).frames[0]
    ours = model.animate(still, seed=9, noise_aug=0.5)
    assert isinstance(ours, Video)
    assert ours.frames.shape == (4, 32, 48, 3)
    assert np.abs(ours.frames.astype(int) - np.round(theirs * 255).astype(int)).max() <= 1


def test_the_still_is_heard_and_so_are_the_seed_and_the_augmentation(model):
    first, second = stills(2)
    noise = torch.randn(1, 4, 4, 8, 12, generator=torch.Generator().manual_seed(1))

    def latents(still, **how):
        return model.animate(still, **{"noise": noise, "output": "latents", **how})

    before = latents(first)
    assert torch.equal(before, latents(first))
    assert relative(latents(second), before) > 1e-3
    assert relative(latents(first, noise_aug=0.3), before) > 1e-4
    assert relative(latents(first, seed=1), before) > 1e-6  # the augmentation's noise
    assert relative(latents(first, seed=1, noise=None), before) > 1e-2


def test_without_guidance_the_network_is_called_on_half_as_much(model, monkeypatch):
    batches = []
    forward = type(model.parts.unet).forward

    def counting(self, sample, *rest, **named):
        batches.append(len(sample))
        return forward(self, sample, *rest, **named)

    monkeypatch.setattr(type(model.parts.unet), "forward", counting)
    model.animate(stills()[0], guidance=1.0, output="latents")
    assert batches == [1] * 4
    batches.clear()
    model.animate(stills()[0], guidance=(1.0, 1.5), output="latents")
    assert batches == [2] * 4


def test_the_unconditional_branch_keeps_the_numbers_and_loses_token_and_frame(model, monkeypatch):
    seen = {}
    forward = type(model.parts.unet).forward

    def keeping(self, sample, c_noise, context, added, **named):
        seen.update(frame=sample[:, :, 4:], context=context, added=added)
        return forward(self, sample, c_noise, context, added, **named)

    monkeypatch.setattr(type(model.parts.unet), "forward", keeping)
    model.animate(stills()[0], fps=9, motion=33, noise_aug=0.25, guidance=2.0, output="latents")
    assert not seen["context"][0].any()
    assert seen["context"][1].any()
    assert not seen["frame"][0].any()
    assert torch.equal(seen["frame"][1, 0], seen["frame"][1, 3])
    assert seen["added"].tolist() == [[8.0, 33.0, 0.25]] * 2  # fps minus one


def test_the_conditioning_latent_is_not_scaled(model, monkeypatch):
    seen = {}

    def keeping(sample, *_, **named):
        seen["frame"] = sample[:, 0, 4:]
        return torch.zeros_like(sample[:, :, :4])

    monkeypatch.setattr(model.parts.unet, "forward", keeping)
    model.animate(stills()[0], noise_aug=0.0, guidance=1.0, output="latents")
    pixels = torch.from_numpy(stills()).permute(0, 3, 1, 2)[:, None].float() / 127.5 - 1
    torch.testing.assert_close(seen["frame"], model.parts.autoencoder.encode(pixels)[0][:, 0])


def test_a_batch_changes_nothing_but_rounding(model):
    pictures = stills(3)
    how = {"seeds": [5, 6, 7], "fps": [7.0, 8.0, 9.0], "motion": [0, 100, 255]}
    together = model.continue_stills(pictures, batch=3, **how)
    assert together.shape == (3, 4, 32, 48, 3)
    for batch in (1, 2):
        apart = model.continue_stills(pictures, batch=batch, **how)
        assert np.abs(together.astype(int) - apart.astype(int)).max() <= 1
    one = model.animate(pictures[1], seed=6, fps=8.0, motion=100)
    assert np.abs(together[1].astype(int) - one.frames.astype(int)).max() <= 1
    other = model.continue_stills(pictures, batch=3, **{**how, "seeds": [5, 8, 7]})
    assert np.array_equal(other[[0, 2]], together[[0, 2]])
    assert not np.array_equal(other[1], together[1])


def test_the_ends_of_the_schedule_can_be_chosen(model):
    base = model.continue_stills(stills(), seeds=[0])
    assert np.array_equal(model.continue_stills(stills(), seeds=[0], sigma_min=0.002, sigma_max=80.0), base)
    assert not np.array_equal(model.continue_stills(stills(), seeds=[0], sigma_max=20.0), base)


def test_reconstruction_is_the_autoencoder_alone(model):
    videos = np.stack([stills(4), stills(4)[::-1]])
    again = model.reconstruct(videos, batch=1)
    assert again.shape == videos.shape
    pixels = torch.from_numpy(videos).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    with torch.no_grad():
        expected = model.parts.autoencoder.decode(model.parts.autoencoder.encode(pixels)[0])
    expected = ((expected + 1) * 127.5).clamp(0, 255).permute(0, 1, 3, 4, 2).numpy()
    assert np.abs(again - expected).max() < 0.51


def test_any_still_and_any_size_that_the_autoencoder_can_halve(model, tmp_path):
    path = tmp_path / "still.png"
    Image.fromarray(stills(1, 200, 100)[0]).save(path)
    video = model.animate(path, size=(20, 36), frames=3, steps=1)
    assert video.frames.shape == (3, 20, 36, 3)
    assert model.animate(path, frames=1, steps=1).frames.shape == (1, 32, 48, 3)


def test_a_video_is_saved_as_a_file_that_plays(model, tmp_path):
    video = model.animate(stills()[0], fps=5)
    saved = video.save(tmp_path / "out" / "video.mp4")
    found = probe(saved)
    with Image.open(video.save(tmp_path / "video.gif")) as image:
        assert (image.size, image.n_frames, image.info["duration"]) == ((48, 32), 4, 200)
    for path, said in (("video.avi", "ending in .mp4 or .gif"), ("video.gif/a.mp4", "cannot be written")):
        with pytest.raises(MareyError, match=said):
            video.save(tmp_path / path)
    assert (found.width, found.height, found.frames) == (48, 32, 4)
    assert found.fps == pytest.approx(5)


def test_half_precision_is_near(folder, model):
    half = Model.open(folder, device="cpu", dtype="bfloat16")
    assert half.parts.unet.conv_in.weight.dtype == torch.bfloat16
    assert half.parts.autoencoder.vae.dtype == torch.float32
    how = {"seed": 3, "output": "latents", "guidance": 1.0}
    difference = relative(half.animate(stills()[0], **how), model.animate(stills()[0], **how))
    assert 0 < difference < 0.1


def test_progress_is_told_of_every_step(model):
    told = []
    model.animate(stills()[0], steps=3, progress=lambda what, done, total=None, note="": told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    told.clear()
    model.continue_stills(
        stills(3),
        seeds=[1, 2, 3],
        steps=2,
        batch=2,
        progress=lambda what, done, total=None, note="": told.append((done, total)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_preview_is_shown_after_every_step_and_comes_true(model):
    shown = []
    video = model.animate(
        stills()[0], steps=3, preview=lambda step, of, frames: shown.append((step, of, frames.copy()))
    )
    assert [(step, of) for step, of, _ in shown] == [(1, 3), (2, 3), (3, 3)]
    assert {frames.shape for _, _, frames in shown} == {(4, 8, 12, 3)}
    latents = model.animate(stills()[0], steps=3, output="latents")
    assert np.array_equal(shown[-1][2], frames_of(linear_of(model.parts.autoencoder), latents[0]))
    assert not np.array_equal(shown[0][2], shown[-1][2])
    assert np.array_equal(video.frames, model.animate(stills()[0], steps=3).frames)  # looking changes nothing


def test_previews_by_taesdv_need_latents_like_its_own(model, tmp_path):
    from safetensors.torch import save_file

    from marey.network.taesdv import TinyDecoder

    save_file(TinyDecoder(8).state_dict(), tmp_path / "taesdv.safetensors")
    with pytest.raises(MareyError, match="latents of 4 channels and 8 pixels a side; this model's have 4 and 4"):
        model.preview_by(tmp_path)
    deep = copy.copy(model)
    deep.parts = replace(model.parts, autoencoder=Autoencoder.build((32, 32, 32, 32), seed=0).eval())
    shown = []
    deep.preview_by(tmp_path).animate(
        stills()[0], steps=1, output="latents", preview=lambda step, of, frames: shown.append(frames)
    )
    assert shown[0].shape == (4, 32, 48, 3)


def test_guidance_in_two_calls_is_the_same(model, monkeypatch):
    how = {"seed": 4, "steps": 2, "output": "latents", "guidance": (1.0, 2.0)}
    expected = model.animate(stills()[0], **how)
    batches = []
    forward = type(model.parts.unet).forward

    def counting(self, sample, *rest, **named):
        batches.append(len(sample))
        return forward(self, sample, *rest, **named)

    monkeypatch.setattr(type(model.parts.unet), "forward", counting)
    monkeypatch.setattr(model, "saving", lambda plan, chunk=None: Saving(sequential=True))
    found = model.animate(stills()[0], **how)
    assert batches == [1] * 4
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_model_of_little_memory_makes_nearly_the_same_video(folder, model):
    whole = plan_memory(Shapes.of(model.parts), 12, 96, 128, 40, dtype=torch.float32).stages[-1].peak
    vram = (0.6 * whole - usable(0)) / (usable(1) - usable(0))
    lean = Model.open(folder, device="cpu", dtype="float32", vram=vram)
    saving = lean.saving(plan_for(lean.info, 4, frames=12, size=(96, 128)))
    assert saving.chunk is not None
    how = {"frames": 12, "size": (96, 128), "seed": 1, "steps": 2}
    theirs, ours = (one.animate(stills(1, 96, 128)[0], **how).frames.astype(int) for one in (model, lean))
    assert 0 < np.abs(theirs - ours).mean() < 8
    with pytest.raises(MareyError, match="GiB do not hold"):
        Model.open(folder, device="cpu", vram=0.6).animate(stills()[0])


def test_a_clip_decoded_in_chunks_is_nearly_the_clip(model):
    how = {"frames": 9, "seed": 1, "steps": 2}
    whole = model.animate(stills()[0], **how).frames.astype(int)
    chunks = model.animate(stills()[0], decode_chunk=4, **how).frames.astype(int)
    assert 0 < np.abs(chunks - whole).mean() < 10
    assert np.array_equal(model.animate(stills()[0], decode_chunk=9, **how).frames, whole)


def test_the_package_offers_the_model():
    assert marey.Model is Model
    with pytest.raises(AttributeError, match="Modle"):
        marey.generate.Modle  # noqa: B018


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"frames": 0}, "frames is 0"),
        ({"fps": 0}, r"fps is 0\.0"),
        ({"motion": 256}, r"motion is 256\.0"),
        ({"steps": 0}, "0 steps"),
        ({"noise_aug": -1}, "noise_aug is -1"),
        ({"solver": "dpm"}, "no solver 'dpm'"),
        ({"size": (30, 48)}, "multiples of 4, such as 32x48"),
        ({"guidance": float("nan")}, "guidance of nan"),
        ({"noise": torch.zeros(1, 4, 4, 8, 8)}, r"noise is \(1, 4, 4, 8, 8\): \(1, 4, 4, 8, 12\)"),
        ({"output": "gif"}, "'video' or 'latents'"),
        ({"fit": "stretch"}, "no fit 'stretch'"),
        ({"frames": 2.5}, r"frames is 2\.5: a whole number such as 14"),
        ({"frames": True}, "frames is True"),
        ({"steps": "4"}, "steps is '4'"),
        ({"motion": "x"}, "motion is 'x': a number such as 127"),
        ({"seed": 2**70}, "a number of 64 bits"),
        ({"size": 64}, r"size is 64: \(height, width\)"),
        ({"size": (64.0, 64)}, r"size is \(64\.0, 64\)"),
        ({"guidance": (1.0, 2.0, 3.0)}, r"guidance is \(1\.0, 2\.0, 3\.0\): one weight"),
        ({"noise": torch.full((1, 4, 4, 8, 12), float("nan"))}, "not finite"),
        ({"noise": torch.zeros(1, 4, 4, 8, 12, dtype=torch.int64)}, r"noise is of torch\.int64"),
        ({"noise": [0.0]}, "noise is of list"),
        ({"preview": "clip.jpg"}, r"clip\.jpg: a name ending in \.png or \.gif"),
        ({"decode_chunk": 0}, "decode_chunk is 0"),
    ],
)
def test_what_will_not_do_is_named(model, how, said):
    with pytest.raises(MareyError, match=said):
        model.animate(stills()[0], **how)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stills": np.zeros((1, 32, 48, 3), np.float32)}, "float32"),
        ({"stills": np.zeros((32, 48, 3), np.uint8)}, r"\(32, 48, 3\)"),
        ({"seeds": [1, 2]}, "2 seeds for 1 stills"),
        ({"batch": 0}, "batch is 0"),
        ({"fps": [1.0, 2.0]}, "2 values of fps"),
    ],
)
def test_many_stills_that_will_not_do_are_named(model, changes, said):
    with pytest.raises(MareyError, match=said):
        model.continue_stills(**{"stills": stills(), "seeds": [0], **changes})


def test_the_command_line_previews_pads_and_plans(folder, tmp_path):
    still, out = tmp_path / "still.png", tmp_path / "out.gif"
    Image.fromarray(stills(1, 40, 40)[0]).save(still)
    words = ["animate", str(still), "--model", str(folder), "--device", "cpu", "--steps", "2", "--json"]
    shown = ["--preview", str(tmp_path / "seen.png"), "--fit", "pad", "--size", "32x32", "--decode-chunk", "2"]
    ended = CliRunner().invoke(app, [*words, "--out", str(out), *shown])
    assert ended.exit_code == 0, ended.output
    assert out.is_file()
    with Image.open(tmp_path / "seen.png") as image:
        assert image.width > 4 * 192
    ended = CliRunner().invoke(app, [*words, "--plan", "--vram", "8", "--dtype", "bfloat16"])
    assert ended.exit_code == 0, ended.output
    planned = json.loads(ended.stdout)
    assert (planned["frames"], planned["height"], planned["width"], planned["dtype"]) == (4, 32, 48, "bfloat16")
    assert planned["saving"]["chunk"] is None


def test_a_model_that_cannot_be_opened_says_why(tmp_path, folder):
    with pytest.raises(MareyError, match="There is no model at"):
        Model.open(tmp_path / "nowhere")
    with pytest.raises(MareyError, match="The model is ''"):
        Model.open("")
    with pytest.raises(MareyError, match="vram is '8': a number"):
        Model.open(folder, vram="8")
    with pytest.raises(MareyError, match="float16 is not for the CPU"):
        Model.open(folder, device="cpu", dtype="float16")


def test_a_lora_is_fused_by_its_strength(model, tmp_path):
    adapted = copy.deepcopy(model)
    layers = layers_of(adapted.parts.unet, "temporal attention")
    pairs = {
        at: Pair(torch.randn(2, one.weight.shape[1]), torch.randn(len(one.weight), 2), 2.0)
        for at, one in layers.items()
    }
    put_adapter(adapted.parts.unet, "some", pairs)
    save_adapter(adapted.parts.unet, "some", tmp_path)
    fused = copy.deepcopy(model).adapt(tmp_path, 0.5)
    for at, pair in pairs.items():
        expected = layers_of(model.parts.unet, "temporal attention")[at].weight + 0.5 * pair.delta()
        torch.testing.assert_close(fused.parts.unet.get_submodule(at).weight, expected)
    how = {"seed": 2, "steps": 2, "output": "latents"}
    assert not torch.equal(fused.animate(stills()[0], **how), model.animate(stills()[0], **how))


@pytest.mark.parametrize("how", [{"solver": "unipc"}, {"solver": "euler_ancestral"}, {"schedule": "ays"}])
def test_solvers_and_schedules_are_heard_and_repeat(model, how):
    given = {"seed": 2, "steps": 3, "output": "latents"}
    one, again = (model.animate(stills()[0], **given, **how) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, model.animate(stills()[0], **given))


def test_a_model_that_holds_its_still_puts_it_back_in_each_step(folder, model, tmp_path):
    table = json.loads((folder / "marey.json").read_text())
    assert table["holds"] is False
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    (kept / "marey.json").write_text(json.dumps({**table, "holds": True}))
    holding = Model.open(kept, device="cpu")
    still = np.random.default_rng(3).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    unit = torch.from_numpy(still).permute(2, 0, 1)[None, None].float() / 127.5 - 1
    mean = holding.parts.autoencoder.encode(unit)[0] * holding.parts.autoencoder.scaling_factor
    first, free = (each.animate(still, seed=1, output="latents") for each in (holding, model))
    torch.testing.assert_close(first[:, :1], mean, atol=1e-4, rtol=0)
    assert (free[:, :1] - mean).abs().max() > 0.01
    assert not torch.allclose(first[:, 1:], free[:, 1:], atol=1e-4)
