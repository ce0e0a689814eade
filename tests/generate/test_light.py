"""Opening a model and making a video with it load torch and little else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.folder import save_model
from marey.network.unet import fresh

HEAVY = ("diffusers", "transformers", "accelerate", "peft", "huggingface_hub", "torch._dynamo", "sympy", "scipy")
USED = """
import json, sys
import torch
before = set(sys.modules)
import numpy
from marey.generate import Model
model = Model.open({folder!r}, device="cpu")
still = numpy.full((40, 50, 3), 90, numpy.uint8)
latents = model.animate(still, steps=2, output="latents")
video = model.animate(still, steps=2)
model.reconstruct(video.frames[None])
model.parts.text_embedder(["a dog"])
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("light") / "model"
    config = UNetConfig.plain((32, 32), context=24, embed=8, frames=3)
    save_model(
        where,
        fresh(config, 0),
        Autoencoder.build((32, 32)),
        ImageEmbedder.build(24, hidden=32),
        card="",
        frames=3,
        size=32,
        fps=8,
        text_embedder=TextEmbedder.build(["a dog"] * 3, 24, tokens=8),
    )
    return where


def used(code: str) -> set[str]:
    import marey

    environment = {**os.environ, "PYTHONPATH": str(Path(marey.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stdout.splitlines()[-1]))


def test_opening_encoding_sampling_and_decoding_load_none_of_the_large_packages(folder):
    modules = used(USED.format(folder=str(folder)))
    assert {"marey.generate.model", "marey.network.autoencoder", "tokenizers"} <= modules
    assert [name for name in HEAVY if name in modules] == []


def test_the_list_would_tell():
    code = "import json, sys\nbefore = set(sys.modules)\nimport huggingface_hub\n"
    assert "huggingface_hub" in used(code + "print(json.dumps(sorted(set(sys.modules) - before)))")
