"""The photographs that come with scikit-image, and what each shows in plain words. The package is not imported."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

CAPTIONS = {
    "astronaut.png": "An astronaut in an orange space suit smiles in front of a flag.",
    "camera.png": "A man in a coat looks through a camera on a tripod.",
    "chelsea.png": "A close-up of a ginger cat.",
    "coffee.png": "A cup of coffee on a wooden table.",
    "rocket.jpg": "A rocket lifts off from its launch pad.",
    "hubble_deep_field.jpg": "Many galaxies in deep space.",
    "grass.png": "Short green grass.",
    "brick.png": "A wall of bricks.",
}


def photograph(name: str) -> np.ndarray:
    """uint8 RGB (H, W, 3)."""
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    picture = cv2.imread(str(Path(spec.origin).parent / "data" / name))
    assert picture is not None, name
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
