import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from marey.errors import MareyError
from marey.evaluate import features
from marey.evaluate.backbones import BACKBONES, Backbone, open_backbone
from marey.network.i3d import I3d
from marey.network.inception import Inception
from marey.network.videomae import VideoMae


def clip(frames: int = 16, height: int = 30, width: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3)).astype(np.uint8)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Detector(torch.nn.Module):
    """Has the face of StyleGAN-V's file: scales and squashes by itself, and gives 400 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Linear(3, 400)

    def forward(self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False):
        x = x.float()
        if resize:
            size = [x.shape[2], 224, 224]
            x = torch.nn.functional.interpolate(x, size=size, mode="trilinear", align_corners=False)
        if rescale:
            x = 2 * x / 255 - 1
        return self.last((x**2).mean(dim=[2, 3, 4])) if return_features else x


def test_the_default_needs_no_weights_and_has_its_own_name() -> None:
    backbone = open_backbone("marey-td")
    found = backbone.features(clip())
    assert found.shape == (1, backbone.d) == (1, 288)
    assert backbone.id == "marey-td288"
    assert len(backbone.sha256) == 64
    assert found[0] == pytest.approx(features.scaled(features.features(clip(), given=0)))
    with pytest.raises(MareyError, match="3 frames or more; this one has 2"):
        backbone.features(clip(2))


def test_a_trained_network_that_ships_in_a_package() -> None:
    backbone = open_backbone("efficientnet-lite0")
    found = backbone.features(clip(3, 60, 80))
    assert found.shape == (3, 1280)
    assert backbone.id == "efficientnet-lite0-57934424"
    assert backbone.sha256.startswith("57934424")
    assert found[1] == pytest.approx(backbone.features(clip(3, 60, 80)[1:2])[0], abs=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.1


def test_torchscript_i3d_runs_after_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    detector = Detector()
    file = tmp_path / "i3d_torchscript.pt"
    torch.jit.script(detector).save(str(file))
    with pytest.raises(MareyError, match=r"not bec6519f.*not opened"):
        open_backbone("i3d", file)
    with pytest.raises(MareyError, match=r"have the sha256 bec6519f"):
        open_backbone("i3d", file, sha256=sha256(file))
    monkeypatch.setitem(BACKBONES, "i3d", replace(BACKBONES["i3d"], sha256=sha256(file)))
    backbone = open_backbone("i3d", file)
    found = backbone.features(clip())
    values = torch.from_numpy(clip()).permute(3, 0, 1, 2)[None].float()
    with torch.inference_mode():
        squashed = interpolate(values, size=(16, 224, 224), mode="trilinear", align_corners=False)
        expected = detector.last(((2 * squashed / 255 - 1) ** 2).mean(dim=(2, 3, 4)))
    assert found == pytest.approx(expected.numpy(), abs=1e-5)
    assert backbone.sha256 == sha256(file)
    with pytest.raises(MareyError, match="10 frames or more"):
        backbone.features(clip(9))


def test_i3d_400_is_squashed_without_antialias_and_scaled_after(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = I3d(12, width=1 / 16).eval()
    torch.save(network.state_dict(), tmp_path / "i3d.pt")
    backbone = open_backbone("i3d-400", tmp_path / "i3d.pt", sha256=sha256(tmp_path / "i3d.pt"))
    found = backbone.features(clip())
    frames = torch.FloatTensor(clip().astype(np.float32)).permute(0, 3, 1, 2)  # TATS's own order of steps
    resized = interpolate(frames, size=(224, 224), mode="bilinear", align_corners=False)
    with torch.inference_mode():
        expected = network((2.0 * resized / 255.0 - 1).transpose(0, 1)[None])
    assert found == pytest.approx(expected.numpy(), abs=1e-5)
    assert (backbone.d, backbone.least) == (12, 9)


def test_videomae_g_takes_16_frames_in_0_to_1(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = VideoMae(16, 1, 16, 24, patch=14, classes=3).eval()
    torch.save({"module": network.state_dict()}, tmp_path / "mae.pth")
    backbone = open_backbone("videomae-g", tmp_path / "mae.pth", sha256=sha256(tmp_path / "mae.pth"))
    found = backbone.features(clip(17))
    values = torch.from_numpy(clip(17)[:16]).permute(3, 0, 1, 2).float() / 255
    resized = interpolate(values, size=(224, 224), mode="bilinear", align_corners=False)
    with torch.inference_mode():
        assert found == pytest.approx(network(resized[None]).numpy(), abs=1e-5)


def test_inception_is_per_frame(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Inception(1 / 16, 10).eval()
    torch.save(network.state_dict(), tmp_path / "inception.pth")
    with pytest.raises(MareyError, match="not opened"):
        open_backbone("inception", tmp_path / "inception.pth")
    loader = BACKBONES["inception"]
    backbone = loader.open(tmp_path / "inception.pth", sha256(tmp_path / "inception.pth"), "cpu")
    found = backbone.features(clip(3))
    assert found.shape == (3, backbone.d)
    assert found[1] == pytest.approx(backbone.features(clip(3)[1:2])[0], abs=1e-6)
    flat = np.full((1, 20, 20, 3), 128, np.uint8)
    with torch.inference_mode():
        assert backbone.features(flat) == pytest.approx(network(torch.zeros(1, 3, 299, 299)).numpy(), abs=1e-6)


def test_a_videomae_folder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = VideoMAEConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, image_size=32, patch_size=8,
        num_frames=4,
    )  # fmt: skip
    VideoMAEForVideoClassification(config).save_pretrained(tmp_path)
    backbone = open_backbone("videomae", tmp_path)
    assert backbone.features(clip(5)).shape == (1, 16)
    assert backbone.id == "videomae-16"
    again = open_backbone("videomae", tmp_path, sha256=backbone.sha256)
    assert (again.features(clip(5)) == backbone.features(clip(5))).all()
    with pytest.raises(MareyError, match="have the sha256"):
        open_backbone("videomae", tmp_path, sha256="0" * 64)


class Mean(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=[2, 3, 4])


def test_any_torchscript_file(tmp_path: Path) -> None:
    file = tmp_path / "mean.pt"
    torch.jit.script(Mean()).save(str(file))
    backbone = open_backbone("torchscript", file, sha256=sha256(file))
    assert backbone.features(clip())[0] == pytest.approx(clip().mean(axis=(0, 1, 2)) / 255, abs=1e-6)
    with pytest.raises(MareyError, match="must be named"):
        open_backbone("torchscript", file)
    (tmp_path / "text.pt").write_text("no")
    with pytest.raises(MareyError, match="no TorchScript"):
        open_backbone("torchscript", tmp_path / "text.pt", sha256=sha256(tmp_path / "text.pt"))


def test_a_wrong_hash_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "evil.pt"
    torch.jit.script(Mean()).save(str(file))
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(MareyError, match="not opened"):
        open_backbone("torchscript", file, sha256="0" * 64)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="no backbone 'i4d'"):
        open_backbone("i4d")
    with pytest.raises(MareyError, match=r"i3d needs its weights \(i3d_torchscript.pt\)"):
        open_backbone("i3d")
    with pytest.raises(MareyError, match="no weights at"):
        open_backbone("i3d-400", tmp_path / "missing.pt", sha256="0" * 64)
    with pytest.raises(MareyError, match=r"uint8 \(T, H, W, 3\)"):
        open_backbone("marey-td").features(np.zeros((3, 8, 8, 3)))
    wrong = Backbone("wrong", "", 5, "clip", 1, lambda clip: np.zeros((1, 4)))
    with pytest.raises(MareyError, match=r"shape \(1, 4\): \(1, 5\)"):
        wrong.features(clip())
