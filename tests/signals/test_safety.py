"""The safety score: the package's network, on pictures prepared as its makers' script does."""

import io

import numpy as np
import pytest
from photographs import CAPTIONS, photograph
from PIL import Image

from marey.errors import MareyError
from marey.signals import safety
from marey.signals.given import package_file
from marey.signals.safety import Safety


def test_photographs_of_every_day_are_safe() -> None:
    scores = Safety().scores([photograph(name) for name in CAPTIONS])
    assert scores.shape == (8,)
    assert scores.min() >= 0
    assert scores.max() < 0.2


def test_it_is_the_network_on_pictures_prepared_as_in_the_original() -> None:
    """By hand after yahoo/open_nsfw's classify_nsfw.py: 256 x 256 bilinear, JPEG, the middle 224, BGR less a mean."""
    import onnxruntime

    picture = photograph("astronaut.png")
    file = io.BytesIO()
    Image.fromarray(picture).resize((256, 256), Image.Resampling.BILINEAR).save(file, format="JPEG")
    middle = np.asarray(Image.open(file)).astype(np.float32)[16:240, 16:240]
    batch = (middle[..., ::-1] - np.array([104, 117, 123], np.float32))[None]
    session = onnxruntime.InferenceSession(str(package_file(safety.PACKAGE, "open_nsfw.onnx")))
    out = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(batch)})[0]
    assert out.sum() == pytest.approx(1, abs=1e-4)
    assert Safety().scores([picture])[0] == pytest.approx(float(out[0, 1]), abs=1e-4)


def test_another_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "_SHA256", "0" * 64)
    with pytest.raises(MareyError, match="not the pinned 000"):
        Safety()
