"""Metrics with a network in them: the formulas on small random networks of the real kinds, and the stand-ins on those
that ship. What has the wrong hash is not opened."""

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from photographs import photograph
from safetensors.torch import save_file
from tiny_clip import save_clip
from torch import nn
from torch.nn import functional

from marey.errors import MareyError
from marey.evaluate.dimensions.likeness import cosine, from_still
from marey.evaluate.measure import Subject
from marey.evaluate.metrics import METRICS, Scorer
from marey.evaluate.models import NAMES, Models
from marey.evaluate.views import View
from marey.network import perceptual
from marey.network.vision import VisionModel
from marey.recipe import Judges, Script

from .moving import pan

VIDEO = pan(3, 1, frames=5, side=64)


def scored(names: list[str], models: Models, video: np.ndarray = VIDEO, truth=None, text: str = "", given: int = 0):
    scorer = Scorer(names, Subject(models, text, 8.0), given=given)
    for n, frame in enumerate(video):
        scorer.add(View(frame, n / 8), None if truth is None else View(truth[n], n / 8))
    return scorer.values()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import ViTConfig, ViTModel

    folder = tmp_path_factory.mktemp("dino")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=224, patch_size=32
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def script(folder: Path, name: str, network: nn.Module, *example: torch.Tensor) -> Script:
    path = folder / f"{name}.pt"
    torch.jit.trace(network, example).save(str(path))
    return Script(file=str(path), sha256=sha256(path))


def test_what_is_not_given_is_told_with_what_would_do() -> None:
    models = Models()
    for name in NAMES:
        if name not in ("lite", "conse"):
            assert "evaluate.models." in models.lacking(name)
        assert name in {need for metric in METRICS.values() for need in metric.needs}, f"no metric needs {name}"


def test_lpips_is_the_papers_sum(tmp_path: Path) -> None:
    """Convolution by convolution on random weights, against the network that reads files of the published layout."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )  # fmt: skip
    trunk = {f"features.{key}": value for key, value in layers.state_dict().items()}
    heads = {f"lin{n}.model.1.weight": torch.rand(1, c, 1, 1) for n, c in enumerate((64, 192, 384, 256, 256))}
    files = tmp_path / "alexnet.pth", tmp_path / "alex.pth"
    torch.save({**trunk, "classifier.1.weight": torch.zeros(2, 2)}, files[0])
    torch.save(heads, files[1])
    network = perceptual.load_lpips(*files, trunk_sha256=sha256(files[0])[:8], heads_sha256=sha256(files[1]))

    a, b = (torch.from_numpy(VIDEO[n]).permute(2, 0, 1)[None].float() / 127.5 - 1 for n in (0, 3))
    shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
    total = 0.0
    with torch.no_grad():
        x, y = (a - shift) / scale, (b - shift) / scale
        for n, layer in enumerate(layers):
            x, y = layer(x), layer(y)
            if isinstance(layer, nn.ReLU):
                apart = (functional.normalize(x, dim=1, eps=1e-10) - functional.normalize(y, dim=1, eps=1e-10)) ** 2
                weight = heads[f"lin{[1, 4, 7, 9, 11].index(n)}.model.1.weight"]
                total += float((apart * weight).sum(1).mean())
    assert float(network(a, b)[0]) == pytest.approx(total, rel=1e-5)
    assert float(network(a, a)[0]) == 0.0
    with pytest.raises(MareyError, match="does not begin with 7be5be79"):
        perceptual.load_lpips(*files)
    with pytest.raises(MareyError, match="not opened"):
        perceptual.load_lpips(*files, trunk_sha256=sha256(files[0])[:8])


def test_the_stand_in_for_lpips_grows_with_noise_and_blur_and_is_deaf_to_nothing() -> None:
    import cv2

    models, true = Models(), VIDEO
    noise = np.random.default_rng(0).normal(size=true.shape)
    noisy = [np.clip(true + s * noise, 0, 255).astype(np.uint8) for s in (0, 5, 15, 45)]
    blurred = [np.stack([cv2.GaussianBlur(frame, (0, 0), s) for frame in true]) for s in (0.5, 1.5, 4)]
    for ladder in (noisy, blurred):
        values = [scored(["perceptual"], models, one, true)["perceptual"] for one in ladder]
        assert values == sorted(values)
        assert values[-1] > values[0] + 0.05
    assert scored(["perceptual"], models, true, true)["perceptual"] == 0.0


def test_stand_ins_of_consistency_and_identity() -> None:
    models = Models()
    still = np.repeat(VIDEO[:1], 4, axis=0)
    found = scored(["subject_consistency", "identity"], models, still)
    assert found == {"subject_consistency": pytest.approx(1.0), "identity": pytest.approx(1.0)}
    other = np.stack([photograph(name)[:256, :256] for name in ("chelsea.png", "chelsea.png", "coffee.png")])
    changed = scored(["subject_consistency", "identity"], models, other)
    assert changed["subject_consistency"] < 0.95
    assert changed["identity"] < 0.95
    vectors = [View(frame).vector(models.encoder("lite")) for frame in other]
    expected = np.mean(
        [0.5 * (max(0, cosine(v, before)) + max(0, cosine(v, vectors[0]))) for before, v in pairwise(vectors)]
    )
    assert changed["subject_consistency"] == pytest.approx(expected)


def test_conse_tells_the_right_text_from_a_wrong_one() -> None:
    video = np.stack([photograph("chelsea.png")] * 2)
    models = Models()
    right = scored(["text_match"], models, video, text="a photo of a cat")["text_match"]
    wrong = scored(["text_match"], models, video, text="a red racing car on a road")["text_match"]
    assert right > wrong + 0.1


def test_dino_is_shown_what_vbench_shows_it(dino: Path) -> None:
    """The short side to 224, no crop: a picture at that size goes in as it is, less what fills no whole patch."""
    from transformers import ViTModel

    picture = np.random.default_rng(0).integers(0, 255, (224, 300, 3)).astype(np.uint8)
    found = VisionModel(dino).pictures([picture])
    whole = ViTModel.from_pretrained(dino, add_pooling_layer=False).eval()
    x = torch.from_numpy(picture[:, :288]).permute(2, 0, 1)[None].float() / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        expected = whole(x, interpolate_pos_encoding=True).last_hidden_state[:, 0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_vbenchs_formulas_on_given_networks(dino: Path, tmp_path: Path) -> None:
    clip = save_clip(tmp_path / "clip")
    models = Models(Judges(dino=str(dino), clip=str(clip)))
    names = ["vbench_subject_consistency", "vbench_background_consistency", "vbench_i2v_subject", "clipsim"]
    found = scored(names, models, text="a cat")
    for name, metric in (("dino", "vbench_subject_consistency"), ("clip", "vbench_background_consistency")):
        vectors = [View(frame).vector(models.encoder(name)) for frame in VIDEO]
        each = [0.5 * (max(0, cosine(v, b)) + max(0, cosine(v, vectors[0]))) for b, v in pairwise(vectors)]
        assert found[metric] == pytest.approx(np.mean(each), abs=1e-6)
    vectors = [View(frame).vector(models.encoder("dino")) for frame in VIDEO]
    with_still, with_before = [cosine(v, vectors[0]) for v in vectors], [cosine(b, a) for a, b in pairwise(vectors)]
    expected = 0.4 * max(with_still) + 0.3 * np.mean(with_before) + 0.3 * min(with_before)
    assert found["vbench_i2v_subject"] == pytest.approx(expected, abs=1e-6)
    assert from_still([1.0], []) is None
    consecutive = scored(["clip_image"], models)["clip_image"]
    assert consecutive <= 1
    told = [models.match("clip", View(frame), "a cat") for frame in VIDEO]
    assert found["clipsim"] == pytest.approx(np.mean(told), abs=1e-6)
    assert -1 <= found["clipsim"] <= 1
    assert len(models.sha256("dino")) == len(models.sha256("clip")) == 64
    assert models.sha256("dino") != models.sha256("clip")


def test_an_aesthetic_head_on_the_clip_that_is_given(tmp_path: Path) -> None:
    clip = save_clip(tmp_path / "clip")
    models = Models(Judges(clip=str(clip)))
    width = len(View(VIDEO[0]).vector(models.encoder("clip")))
    save_file({"weight": torch.zeros(1, width), "bias": torch.full((1,), 6.5)}, tmp_path / "head.safetensors")
    models = Models(Judges(clip=str(clip), looks_head=str(tmp_path / "head.safetensors")))
    assert scored(["vbench_aesthetic_quality"], models)["vbench_aesthetic_quality"] == pytest.approx(0.65)


class Mean(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a + b) / 2


class Level(nn.Module):
    def forward(self, a: torch.Tensor) -> torch.Tensor:
        return a.mean() * 100


class Colours(nn.Module):
    def forward(self, a: torch.Tensor) -> torch.Tensor:
        return a.mean(dim=(2, 3)) - 0.5


def test_scripts_that_are_given(tmp_path: Path) -> None:
    picture = torch.rand(1, 3, 64, 64)
    scripts = {
        "amt": script(tmp_path, "amt", Mean(), picture, picture),
        "musiq": script(tmp_path, "musiq", Level(), picture),
        "dreamsim": script(tmp_path, "dreamsim", Colours(), torch.rand(1, 3, 224, 224)),
    }
    models = Models(Judges(scripts=scripts))
    found = scored(["vbench_motion_smoothness", "vbench_imaging_quality", "vbench_i2v_background"], models)
    assert found["vbench_imaging_quality"] == pytest.approx(VIDEO.mean() / 255, abs=1e-6)
    drawn = [(VIDEO[n].astype(float) + VIDEO[n + 2]) / 2 for n in (0, 2)]
    errors = [np.abs(VIDEO[n + 1] - middle).mean() for n, middle in zip((0, 2), drawn, strict=True)]
    assert found["vbench_motion_smoothness"] == pytest.approx(np.mean([(255 - e) / 255 for e in errors]), abs=2e-3)
    assert 0 < found["vbench_i2v_background"] <= 1
    wrong = Models(Judges(scripts={"musiq": scripts["musiq"].model_copy(update={"sha256": "0" * 64})}))
    with pytest.raises(MareyError, match="not opened"):
        scored(["vbench_imaging_quality"], wrong)


class Answers(nn.Module):
    """The mean of the frames that it is shown, and 10 more where the text speaks of a dog."""

    def __init__(self, frames: int, height: int) -> None:
        super().__init__()
        self.frames, self.height = frames, height

    def forward(self, video: torch.Tensor, text: str) -> torch.Tensor:
        assert video.size(0) == 1
        assert video.size(1) == self.frames
        assert video.size(2) == 3
        assert video.size(3) == self.height
        bonus = 10.0 if text.find("dog") >= 0 else 0.0
        return video.mean() + bonus


def asked(folder: Path, name: str, network: nn.Module) -> Script:
    path = folder / f"{name}.pt"
    torch.jit.script(network).save(str(path))
    return Script(file=str(path), sha256=sha256(path))


ASKED = {
    "vbench_object_class": "object_class",
    "vbench_multiple_objects": "multiple_objects",
    "vbench_color": "color",
    "vbench_spatial_relationship": "spatial_relationship",
    "vbench_scene": "scene",
    "vbench_human_action": "human_action",
    "vbench_camera_motion": "camera",
}


def test_networks_that_are_asked_about_a_video_and_its_text(tmp_path: Path) -> None:
    scripts = {name: asked(tmp_path, name, Answers(16, 64)) for name in ASKED.values()}
    scripts["viclip"] = asked(tmp_path, "viclip", Answers(8, 224))
    models = Models(Judges(scripts=scripts))
    names = [*ASKED, "vbench_overall_consistency", "vbench_temporal_style"]
    plain, dog = scored(names, models, text="a cat"), scored(names, models, text="a dog")
    for name in names:
        assert dog[name] - plain[name] == pytest.approx(10, abs=1e-4)
    evenly = VIDEO[np.linspace(0, len(VIDEO) - 1, 16).round().astype(int)]
    assert plain["vbench_scene"] == pytest.approx(evenly.mean() / 255, abs=1e-5)


def test_a_long_video_is_asked_about_by_frames_from_all_of_it(tmp_path: Path) -> None:
    class Spread(nn.Module):
        def forward(self, video: torch.Tensor, text: str) -> torch.Tensor:
            means = video.mean(dim=(0, 2, 3, 4))
            return means[-1] - means[0] + 100.0 * float(len(means))

    models = Models(Judges(scripts={"scene": asked(tmp_path, "scene", Spread())}))
    video = np.stack([np.full((8, 8, 3), n, np.uint8) for n in range(200)])
    found = scored(["vbench_scene"], models, video, text="dusk")["vbench_scene"]
    assert 1600 + 180 / 255 <= found <= 1600 + 199 / 255


def test_raft_that_is_given(tmp_path: Path) -> None:
    from marey.network.raft import SMALL, Raft

    torch.manual_seed(0)
    network = Raft(SMALL).eval()
    save_file(network.state_dict(), tmp_path / "raft.safetensors")
    models = Models(Judges(raft=str(tmp_path / "raft.safetensors")))
    video = pan(3, 0, frames=3, side=130)
    flow = models.raft_flow(View(video[0]), View(video[1]))
    assert flow.shape == (130, 130, 2)
    padded = [functional.pad(torch.from_numpy(one).permute(2, 0, 1)[None] / 127.5 - 1, (3, 3, 3, 3), "replicate")
              for one in video[:2]]  # fmt: skip
    with torch.inference_mode():
        whole = network(*padded, updates=20)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(flow, whole[3:133, 3:133], atol=1e-4)


def test_vbenchs_flickering_is_of_still_videos_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rule is on the flow: here a flow of our own stands for RAFT's."""
    models = Models()
    for pixels, static in ((0.1, True), (3.0, False)):
        field = np.full((64, 64, 2), (pixels, 0), np.float32)
        monkeypatch.setattr(models, "raft_flow", lambda before, after, field=field: field)
        found = scored(["vbench_temporal_flickering", "vbench_dynamic_degree"], models, np.concatenate([VIDEO] * 4))
        assert ("vbench_temporal_flickering" in found) == static, "3 * 64 / 256 pixels is its limit"
        assert found["vbench_dynamic_degree"] == float(not static), "6 * 64 / 256 pixels is its limit"
        if static:
            changes = np.abs(np.diff(np.concatenate([VIDEO] * 4).astype(float), axis=0)).mean()
            assert found["vbench_temporal_flickering"] == pytest.approx((255 - changes) / 255)
