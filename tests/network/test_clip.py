"""The loader of CLIP folders, on tiny random models of the real classes; the LAION heads."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_clip import SIDE, WIDTH, save_clip, save_siglip
from torch import nn

from marey.errors import MareyError
from marey.network.aesthetic import load_head
from marey.network.clip import ClipModel

TEXTS = ["a photo of a cat.", "red square " * 20]
PICTURES = [np.random.default_rng(n).integers(0, 255, (40 + n, 60, 3)).astype(np.uint8) for n in range(3)]


@pytest.mark.parametrize("save", [save_clip, save_siglip])
def test_it_gives_what_the_whole_model_gives(save, tmp_path: Path) -> None:
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder = save(tmp_path / "model")
    ours = ClipModel(folder)
    pictures, texts = ours.pictures(PICTURES), ours.texts(TEXTS)
    assert (tuple(pictures.shape), tuple(texts.shape)) == ((3, WIDTH), (2, WIDTH))
    whole = AutoModel.from_pretrained(folder).eval()
    pixels = AutoImageProcessor.from_pretrained(folder)(images=PICTURES, return_tensors="pt")
    padding = "max_length" if save is save_siglip else True
    words = AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=padding, truncation=True, max_length=12, return_tensors="pt"
    )
    words.pop("token_type_ids", None)
    with torch.inference_mode():
        out = whole(**pixels, **words)
    unit = nn.functional.normalize
    torch.testing.assert_close(unit(pictures, dim=-1), out.image_embeds, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(unit(texts, dim=-1), out.text_embeds, atol=1e-5, rtol=1e-4)


def test_pictures_are_prepared_as_its_processor_says(tmp_path: Path) -> None:
    model = ClipModel(save_clip(tmp_path / "model"))
    picture = np.full((SIDE, SIDE, 3), (255, 128, 0), np.uint8)
    (tensor,) = model._processor(images=[picture], return_tensors="pt")["pixel_values"]
    expected = (np.array([1, 128 / 255, 0]) - [0.5, 0.4, 0.3]) / 0.25
    np.testing.assert_allclose(tensor.mean((1, 2)), expected, atol=1e-4)


def test_pickles_other_models_and_code_are_refused(tmp_path: Path) -> None:
    folder = save_clip(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(MareyError, match="is a pickle"):
        ClipModel(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(MareyError, match="type 'bert': one of clip, siglip"):
        ClipModel(folder)
    (folder / "config.json").unlink()
    with pytest.raises(MareyError, match="no folder of a CLIP model"):
        ClipModel(folder)


class Improved(nn.Module):
    """christophschuhmann/improved-aesthetic-predictor's MLP, as published."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 1024), nn.Dropout(0.2), nn.Linear(1024, 128), nn.Dropout(0.2), nn.Linear(128, 64),
            nn.Dropout(0.1), nn.Linear(64, 16), nn.Linear(16, 1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@pytest.mark.parametrize("kind", [nn.Linear, Improved])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_both_heads_score_as_published(kind, suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = (nn.Linear(WIDTH, 1) if kind is nn.Linear else Improved(WIDTH)).eval()
    path = tmp_path / f"head{suffix}"
    if suffix == ".pth":
        torch.save(published.state_dict(), path)
    else:
        save_file(published.state_dict(), path)
    head = load_head(path, hashlib.sha256(path.read_bytes()).hexdigest())
    x = torch.randn(5, WIDTH) * 7
    expected = published(x / x.norm(dim=-1, keepdim=True)).squeeze(-1)
    torch.testing.assert_close(head(x), expected, atol=1e-6, rtol=1e-5)
    assert head.width == WIDTH


def test_other_files_are_no_heads(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    save_file({"weight": torch.zeros(2, 8), "bias": torch.zeros(2)}, path)
    with pytest.raises(MareyError, match="neither of LAION's heads"):
        load_head(path, "")
    path.write_bytes(b"no")
    with pytest.raises(MareyError, match="cannot be read"):
        load_head(path, "")
    other = tmp_path / "head.pth"
    torch.save({"weight": torch.zeros(1, 8)}, other)
    with pytest.raises(MareyError, match="has the sha256"):
        load_head(other, "0" * 64)
