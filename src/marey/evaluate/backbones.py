"""From clips to feature vectors: the networks behind distances of sets, each opened by a loader that is named here.

Nothing is downloaded. Weights are a local file whose sha256 is checked before it is opened; a TorchScript file is a
program, and runs only after that. The default, `marey-td`, needs no weights and no torch, and bears its own name.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError, require
from marey.evaluate.features import VERSION, WIDTH, features, scaled

Array = npt.NDArray[np.float64]
Clip = npt.NDArray[np.uint8]
Per = Literal["clip", "frame"]
_FRAMES = 16
"""So many frames go through a network of pictures at a time."""


@dataclass(frozen=True)
class Backbone:
    """An opened network."""

    id: str
    """Its name, with the shape of its features where one loader opens many."""
    sha256: str
    """Of its weights; where there are none, of its name and version."""
    d: int
    """Features a vector."""
    per: Per
    """Whether a vector describes a whole clip or one frame of it."""
    least: int
    """Frames that a clip needs."""
    run: Callable[[Clip], Any]

    def features(self, clip: Clip) -> Array:
        """Of frames `(T, H, W, 3)` uint8, of any size: `(1, d)`, or `(T, d)` where a vector describes a frame.

        Raises:
            MareyError: too few frames, or the network gives something else than `d` numbers.
        """
        if clip.ndim != 4 or clip.shape[3] != 3 or clip.dtype != np.uint8:
            raise MareyError(f"A clip of shape {clip.shape} and type {clip.dtype}: uint8 (T, H, W, 3) would do.")
        if len(clip) < self.least:
            raise MareyError(f"{self.id} needs clips of {self.least} frames or more; this one has {len(clip)}.")
        found = np.asarray(self.run(clip), dtype=np.float64)
        wanted = (len(clip) if self.per == "frame" else 1, self.d)
        if found.shape != wanted:
            raise MareyError(f"{self.id} gave features of shape {found.shape}: {wanted} would do.")
        return found


@dataclass(frozen=True)
class Loader:
    """How a backbone is opened."""

    name: str
    title: str
    weights: str
    """What its file is called and where it comes from; empty where there is none."""
    licence: str
    open: Callable[[Path | None, str | None, str], Backbone]
    sha256: str | None = None
    """Of the one file that it is, where that is known; otherwise the caller must name it."""


def open_backbone(name: str, path: Path | None = None, *, sha256: str | None = None, device: str = "cpu") -> Backbone:
    """The backbone of this name.

    Args:
        path: of its weights, a file or a folder, where it needs any.
        sha256: of that file. Needed where the loader does not know it; another than the loader's own is refused.
        device: cpu or cuda.

    Raises:
        MareyError: no such backbone, weights are needed and not named, or the file is another one.
        MissingExtra: torch or transformers is not installed.
    """
    loader = BACKBONES.get(name)
    if loader is None:
        raise MareyError(f"There is no backbone {name!r}: one of {', '.join(BACKBONES)} would do.")
    if loader.weights and path is None:
        raise MareyError(f"{name} needs its weights ({loader.weights}): the path of the file would do.")
    if loader.sha256 is not None and sha256 is not None and sha256.lower() != loader.sha256:
        raise MareyError(f"The weights of {name} have the sha256 {loader.sha256}, not {sha256}.")
    return loader.open(None if path is None else Path(path), sha256 or loader.sha256, device)


def _hand(path: Path | None, sha256: str | None, device: str) -> Backbone:
    name = f"marey-td{WIDTH}"
    digest = hashlib.sha256(f"{name}/{VERSION}".encode()).hexdigest()
    return Backbone(name, digest, WIDTH, "clip", 3, lambda clip: scaled(features(clip, given=0))[None])


def _lite(path: Path | None, sha256: str | None, device: str) -> Backbone:
    from marey.signals.embedding import LITE, LITE_SHA256, Lite

    require("torch", "features")
    network = Lite()

    def run(clip: Clip) -> Any:
        return network.features(list(clip))

    return Backbone(LITE, LITE_SHA256, 1280, "frame", 1, run)


def _torchscript_i3d(path: Path | None, sha256: str | None, device: str) -> Backbone:
    network = _script(path, sha256, device)

    def run(clip: Clip) -> Any:
        # (1, 3, T, H, W) of whole levels: the file scales and squashes by itself.
        return _numpy(network(_tensor(clip, device).byte()[None], rescale=True, resize=True, return_features=True))

    return Backbone("i3d-torchscript", str(sha256), 400, "clip", 10, run)


def _i3d_400(path: Path | None, sha256: str | None, device: str) -> Backbone:
    require("torch", "train")
    from marey.network.i3d import LEAST_FRAMES, SIZE, load_i3d

    network = load_i3d(_needed(path), _named("i3d-400", sha256)).to(device)

    def run(clip: Clip) -> Any:
        frames = _squashed(_tensor(clip, device), SIZE)  # of 0..255; scaled afterwards, as TATS and cd-fvd do
        return _numpy(exact(network, (2.0 * frames / 255.0 - 1)[None]))

    return Backbone("i3d-400", str(sha256), network.logits.conv3d.out_channels, "clip", LEAST_FRAMES, run)


def _videomae_g(path: Path | None, sha256: str | None, device: str) -> Backbone:
    require("torch", "train")
    from marey.network.videomae import load_videomae

    network = load_videomae(_needed(path), _named("videomae-g", sha256)).to(device)

    def run(clip: Clip) -> Any:
        frames = _squashed(_tensor(clip[: network.frames], device) / 255, network.size)  # no mean, no deviation
        return _numpy(exact(network, frames[None]))

    return Backbone("videomae-g", str(sha256), network.d, "clip", network.frames, run)


def _videomae_folder(path: Path | None, sha256: str | None, device: str) -> Backbone:
    require("torch", "train")
    require("transformers", "train")
    from marey.network.videomae_folder import VideoMaeFolder

    folder = _needed(path)
    model = VideoMaeFolder(folder, device)

    def run(clip: Clip) -> Any:
        frames = _squashed(_tensor(clip[: model.frames], device) / 255, model.size)
        return _numpy(exact(model, frames))

    return Backbone(f"videomae-{model.d}", _folder_hash(folder, sha256), model.d, "clip", model.frames, run)


def _inception(path: Path | None, sha256: str | None, device: str) -> Backbone:
    require("torch", "train")
    from marey.evaluate.resize import resize
    from marey.network.inception import SIZE, load_inception

    network = load_inception(_needed(path), _named("inception", sha256)).to(device)

    def run(clip: Clip) -> Any:
        found = []
        for start in range(0, len(clip), _FRAMES):
            part = clip[start : start + _FRAMES]
            squashed = np.stack([resize(frame, (SIZE, SIZE), antialias=False, grid="corners") for frame in part])
            frames = _tensor(squashed, device).transpose(0, 1)  # (T, 3, 299, 299)
            found.append(_numpy(exact(network, (frames - 128) / 128)))
        return np.concatenate(found)

    return Backbone("inception-2015", str(sha256), network.d, "frame", 1, run)


def _clip(path: Path | None, sha256: str | None, device: str) -> Backbone:
    require("torch", "train")
    require("transformers", "train")
    from marey.network.clip import ClipModel

    folder = _needed(path)
    model = ClipModel(folder)
    d = int(model.pictures([np.zeros((8, 8, 3), np.uint8)]).shape[1])

    def run(clip: Clip) -> Any:
        starts = range(0, len(clip), _FRAMES)
        return np.concatenate([model.pictures(list(clip[at : at + _FRAMES])).numpy() for at in starts])

    return Backbone(f"clip-{d}", _folder_hash(folder, sha256), d, "frame", 1, run)


def _torchscript(path: Path | None, sha256: str | None, device: str) -> Backbone:
    network = _script(path, sha256, device)

    def run(clip: Clip) -> Any:
        return _numpy(network((_tensor(clip, device) / 255)[None]))

    width = _numpy(network((_tensor(np.zeros((16, 224, 224, 3), np.uint8), device) / 255)[None])).shape[-1]
    return Backbone(f"torchscript-{width}", str(sha256), width, "clip", 1, run)


def _script(path: Path | None, sha256: str | None, device: str) -> Any:
    torch = require("torch", "train")
    from marey.network.weights import check_sha256

    file = _needed(path)
    check_sha256(file, _named(file.name, sha256))
    try:
        network = torch.jit.load(str(file), map_location=device).eval()
    except RuntimeError as error:
        raise MareyError(f"{file} is no TorchScript file: {error}") from error

    return partial(exact, network)


def exact(network: Any, *args: Any, **kwargs: Any) -> Any:
    """What a network gives, without gradients and without the shorter floats that a GPU would take by itself."""
    import torch

    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return network(*args, **kwargs)


def _needed(path: Path | None) -> Path:
    if path is None or not path.exists():
        raise MareyError(f"There are no weights at {path}: the path of the file would do.")
    return path


def _named(name: str, sha256: str | None) -> str:
    if sha256 is None:
        raise MareyError(f"The sha256 of the weights of {name} must be named, so that a number says what made it.")
    return sha256


def _folder_hash(folder: Path, sha256: str | None) -> str:
    """Of all weights of a folder, in the order of their names; checked where one was named."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    found = digest.hexdigest()
    if sha256 is not None and sha256.lower() != found:
        raise MareyError(f"The weights in {folder} have the sha256 {found}, not {sha256}.")
    return found


def _tensor(clip: npt.NDArray[Any], device: str) -> Any:
    """`(T, H, W, 3)` to a float32 tensor `(3, T, H, W)`."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(clip)).to(device).permute(3, 0, 1, 2).float()


def _squashed(frames: Any, size: int) -> Any:
    """`(3, T, H, W)` to `(3, T, size, size)`: bilinear, no antialiasing, whatever the shape was."""
    import torch

    return torch.nn.functional.interpolate(frames, size=(size, size), mode="bilinear", align_corners=False)


def _numpy(tensor: Any) -> Array:
    return np.asarray(tensor.detach().double().cpu().numpy())


BACKBONES: dict[str, Loader] = {
    loader.name: loader
    for loader in (
        Loader("marey-td", "Hand features of light, colour, edges and change", "", "Apache-2.0", _hand),
        Loader("efficientnet-lite0", "EfficientNet-Lite0 out of its package, by frame", "", "Apache-2.0", _lite),
        Loader(
            "i3d",
            "I3D of Kinetics-400, as StyleGAN-V's TorchScript file",
            "i3d_torchscript.pt",
            "Apache-2.0 (weights)",
            _torchscript_i3d,
            "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
        ),
        Loader(
            "i3d-400", "I3D of Kinetics-400, VideoGPT's and TATS's", "i3d_pretrained_400.pt", "Apache-2.0", _i3d_400
        ),
        Loader(
            "videomae-g",
            "VideoMAE V2, giant, tuned on Something-Something V2",
            "vit_g_hybrid_pt_1200e_ssv2_ft.pth of OpenGVLab",
            "MIT",
            _videomae_g,
        ),
        Loader("videomae", "A VideoMAE of transformers", "a folder with safetensors", "the folder's", _videomae_folder),
        Loader("clip", "A CLIP or SigLIP of transformers", "a folder with safetensors", "the folder's", _clip),
        Loader(
            "inception",
            "Inception v3 of 2015-12-05, as FID has it",
            "pt_inception-2015-12-05-6726825d.pth of pytorch-fid",
            "Apache-2.0",
            _inception,
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        ),
        Loader(
            "torchscript", "Any TorchScript file: clips (1, 3, T, H, W) in 0..1 to (1, d)", "a file", "", _torchscript
        ),
    )
}
"""All backbones, by name."""
