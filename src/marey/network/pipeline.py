"""What diffusers' pipeline wants in a folder beside weights: its index, a scheduler and an image processor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marey.errors import MareyError
from marey.network.embedders import CLIP_MEAN, CLIP_STD, IMAGE_SIZE

PIPELINE = "StableVideoDiffusionPipeline"
COMPONENTS = {
    "feature_extractor": ("transformers", "CLIPImageProcessor"),
    "image_encoder": ("transformers", "CLIPVisionModelWithProjection"),
    "scheduler": ("diffusers", "EulerDiscreteScheduler"),
    "unet": ("diffusers", "UNetSpatioTemporalConditionModel"),
    "vae": ("diffusers", "AutoencoderKLTemporalDecoder"),
}
_ALIASES = {"CLIPImageProcessorPil", "CLIPImageProcessorFast", "CLIPFeatureExtractor"}
"""What other versions of transformers call CLIPImageProcessor."""


def index() -> dict[str, Any]:
    """model_index.json: of each part the library and the class."""
    return {"_class_name": PIPELINE, **{name: list(place) for name, place in COMPONENTS.items()}}


def scheduler(sigma_min: float, sigma_max: float) -> dict[str, Any]:
    """diffusers' EulerDiscreteScheduler on the schedule that `marey.diffusion.schedules.karras` gives."""
    return {
        "_class_name": "EulerDiscreteScheduler",
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "interpolation_type": "linear",
        "num_train_timesteps": 1000,
        "prediction_type": "v_prediction",
        "sigma_max": sigma_max,
        "sigma_min": sigma_min,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "timestep_type": "continuous",
        "trained_betas": None,
        "use_karras_sigmas": True,
    }


def feature_extractor() -> dict[str, Any]:
    """transformers' CLIPImageProcessor, as CLIP was trained."""
    return {
        "crop_size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPImageProcessor",
        "image_mean": list(CLIP_MEAN),
        "image_processor_type": "CLIPImageProcessor",
        "image_std": list(CLIP_STD),
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": IMAGE_SIZE},
    }


def check(index: Mapping[str, Any], folder: Path) -> None:
    """Every class is named as expected: another pipeline's folder is not taken for this one's.

    Raises:
        MareyError: one is not.
    """
    where = folder / "model_index.json"
    if index.get("_class_name") == "StableDiffusionPipeline":
        raise MareyError(f"{folder} is a picture model: `marey train` with train.start makes a video model of it.")
    if index.get("_class_name") != PIPELINE:
        raise MareyError(f"{where} is of a {index.get('_class_name')}: a {PIPELINE} would do.")
    for name, (library, kind) in COMPONENTS.items():
        given = index.get(name)
        known = {kind} | (_ALIASES if name == "feature_extractor" else set())
        if not isinstance(given, list) or len(given) != 2 or given[0] != library or given[1] not in known:
            raise MareyError(f"{where} has {name} = {given}: [{library!r}, {kind!r}] would do.")
    for name, value in index.items():
        if not name.startswith("_") and name not in COMPONENTS and value not in (None, [None, None]):
            raise MareyError(f"{where} has a part {name!r}, which a {PIPELINE} has no place for.")
