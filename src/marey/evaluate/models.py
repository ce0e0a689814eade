"""The networks that metrics need, opened when the first one asks: those that ship in packages, and those that the user
gives. Nothing is downloaded, and each has a hash that stands in the record."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.errors import MareyError
from marey.evaluate.views import View
from marey.media.pixels import centre, cover
from marey.recipe import Judges
from marey.signals import embedding, match
from marey.signals.given import Given, absent

SCRIPTS = {
    "amt": "the picture between: two pictures float32 (1, 3, H, W) in 0..1 to the same",
    "musiq": "quality: a picture float32 (1, 3, H, W) in 0..1 to a number in 0..100",
    "dreamsim": "a vector: a picture float32 (1, 3, 224, 224) in 0..1 to (1, D)",
    "viclip": "likeness: 8 frames float32 (1, 8, 3, 224, 224) in 0..1 and a text to a number",
    **dict.fromkeys(
        ("object_class", "multiple_objects", "color", "spatial_relationship", "scene", "human_action", "camera"),
        "an answer: 16 frames float32 (1, 16, 3, H, W) in 0..1 and a text to a number in 0..1",
    ),
}
"""TorchScript files that can be given, and what each must take and give."""
NAMES = ("lite", "conse", "clip", "dino", "lpips", "aesthetic", "raft", *SCRIPTS)
_SIDE = 224
_RAFT_MULTIPLE, _RAFT_UPDATES = 8, 20


class Models:
    """What there is, by name; see `NAMES`."""

    def __init__(self, given: Judges | None = None) -> None:
        self.given = given or Judges()
        self._opened: dict[str, Any] = {}

    def lacking(self, name: str) -> str:
        """What would have to be installed or given for a network; empty if nothing."""
        if name in ("lite", "conse"):
            return embedding.lacking(Given()) if name == "lite" else match.lacking(Given())
        asked = {
            "clip": (self.given.clip, "evaluate.models.clip, a folder"),
            "dino": (self.given.dino, "evaluate.models.dino, a folder"),
            "lpips": (
                self.given.lpips_trunk and self.given.lpips_heads,
                "evaluate.models.lpips_trunk and .lpips_heads, two files",
            ),
            "raft": (self.given.raft, "evaluate.models.raft, a file"),
            "aesthetic": (self.given.looks_head, "evaluate.models.looks_head, a file"),
        }
        there, what = asked.get(name, (name in self.given.scripts, f"evaluate.models.scripts.{name}, a TorchScript"))
        if not there:
            return f"no {name} is given: {what}, would do"
        return absent(("torch", "transformers") if name in ("clip", "dino") else ("torch",))

    def sha256(self, name: str) -> str:
        """Of a network's weights, 64 digits: of all its files together where there are several."""
        return self._once(f"{name} sha256", lambda: self._digest(name))

    def encoder(self, name: str) -> Any:
        """A `signals.embedding.Encoder`: lite, clip, dino or dreamsim."""
        makers: dict[str, Callable[[], Any]] = {
            "lite": embedding.Lite,
            "clip": self._clip,
            "dino": lambda: _Dino(self._path(self.given.dino), f"dino-{self.sha256('dino')[:12]}"),
            "dreamsim": lambda: _Dreamsim(self._script("dreamsim"), f"dreamsim-{self.sha256('dreamsim')[:12]}"),
        }
        return self._once(name, makers[name])

    def match(self, name: str, view: View, text: str) -> float:
        """The cosine of a frame and a text, by "conse" or "clip"."""
        if name == "conse":
            conse = self._once("conse", lambda: match.Conse(self.encoder("lite")))
            return float(conse.match(view.vector(self.encoder("lite"))[None], [text])[0, 0])
        clip = self.encoder("clip")
        return float(clip.match(view.vector(clip)[None], [text])[0, 0])

    def perceptual(self, name: str, a: View, b: View) -> float:
        """The distance of two frames of one size, by "lite" or "lpips"."""
        if a is b:
            return 0.0
        import torch

        from marey.network import perceptual

        network = self._lpips if name == "lpips" else self.encoder("lite")._network

        def stages(view: View) -> Any:
            if name == "lpips":
                return network.stages(_tensor(view.rgb) / 127.5 - 1)
            size = _near(view.rgb.shape[0], view.rgb.shape[1], _SIDE)
            small = cv2.resize(view.rgb, size, interpolation=cv2.INTER_AREA)
            return perceptual.lite_stages(network, (_tensor(small) - 127) / 128)

        with torch.inference_mode():
            maps = [view.made(("stages", name), partial(stages, view)) for view in (a, b)]
            heads = list(network.heads) if name == "lpips" else None
            return float(perceptual.distance(maps[0], maps[1], heads)[0])

    def aesthetic(self) -> Any:
        """LAION's head."""
        from marey.signals.aesthetic import Aesthetic

        path = self._path(self.given.looks_head)
        wanted = self.given.looks_head_sha256
        if wanted is None and path.suffix != ".safetensors":
            raise MareyError(
                f"{path} is a pickle: it is read where evaluate.models.looks_head_sha256 names its sha256."
            )
        return self._once("aesthetic", lambda: Aesthetic(path, wanted or self.sha256("aesthetic")))

    def raft_flow(self, before: View, after: View) -> np.ndarray:
        """Flow (H, W, 2) in pixels from one frame to another, as VBench asks RAFT: at full size, in 20 rounds."""

        def found() -> np.ndarray:
            import torch
            from torch.nn import functional

            pair = [_tensor(view.rgb) / 127.5 - 1 for view in (before, after)]
            height, width = pair[0].shape[-2:]
            down, across = -height % _RAFT_MULTIPLE, -width % _RAFT_MULTIPLE
            edges = (across // 2, across - across // 2, down // 2, down - down // 2)
            pair = [functional.pad(picture, edges, mode="replicate") for picture in pair]
            with torch.inference_mode():
                field = self._raft(*pair, updates=_RAFT_UPDATES)
            field = field[0, :, edges[2] : edges[2] + height, edges[0] : edges[0] + width]
            return np.asarray(field.permute(1, 2, 0).numpy(), np.float32)

        flow: np.ndarray = after.made(("raft", before.number), found)
        return flow

    def between(self, name: str, before: View, after: View) -> np.ndarray:
        """The picture between two, uint8 (H, W, 3)."""
        import torch

        with torch.inference_mode():
            drawn = self._script(name)(_tensor(before.rgb) / 255, _tensor(after.rgb) / 255)
        return np.asarray((drawn[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy(), np.uint8)

    def quality(self, name: str, view: View) -> float:
        """A number for a frame, whose longer side is brought to 512 if it is longer, as VBench does."""
        import torch
        from torch.nn import functional

        picture = _tensor(view.rgb) / 255
        longer = max(picture.shape[-2:])
        if longer > 512:
            size = [round(side * 512 / longer) for side in picture.shape[-2:]]
            picture = functional.interpolate(picture, size=size, mode="bilinear", antialias=False)
        with torch.inference_mode():
            return float(self._script(name)(picture))

    def answer(self, name: str, frames: Sequence[np.ndarray], text: str) -> float:
        """What a network says of frames (T of uint8 (H, W, 3)) and their text: a number."""
        import torch

        if name == "viclip":  # the middle square, as VBench shows it
            frames = [_square(frame) for frame in frames]
        video = torch.cat([_tensor(frame) for frame in frames])[None] / 255
        with torch.inference_mode():
            return float(self._script(name)(video, text))

    @cached_property
    def _lpips(self) -> Any:
        from marey.network.perceptual import load_lpips

        return load_lpips(self._path(self.given.lpips_trunk), self._path(self.given.lpips_heads))

    @cached_property
    def _raft(self) -> Any:
        from marey.network.raft import load_raft

        path, wanted = self._path(self.given.raft), self.given.raft_sha256
        if wanted is None and path.suffix != ".safetensors":
            raise MareyError(f"{path} is a pickle: it is read where evaluate.models.raft_sha256 names its sha256.")
        if wanted is not None and wanted.lower() != self.sha256("raft"):
            raise MareyError(f"{path} has the sha256 {self.sha256('raft')}, not {wanted}: it was not opened.")
        return load_raft(path, self.sha256("raft"))

    def _clip(self) -> Any:
        return embedding.Clip(
            Given(clip=str(self._path(self.given.clip)), clip_name=f"clip-{self.sha256('clip')[:12]}"), 1
        )

    def _script(self, name: str) -> Any:
        def opened() -> Any:
            import torch

            path = self._path(self.given.scripts[name].file)
            found, wanted = self.sha256(name), self.given.scripts[name].sha256.lower()
            if found != wanted:
                raise MareyError(f"{path} has the sha256 {found}, not {wanted}: it was not opened.")
            return torch.jit.load(str(path), map_location="cpu").eval()

        return self._once(f"script {name}", opened)

    def _digest(self, name: str) -> str:
        if name in ("lite", "conse"):
            return embedding.LITE_SHA256
        if name in ("clip", "dino"):
            folder = self._path(self.given.clip if name == "clip" else self.given.dino)
            files = [*sorted(folder.glob("*.safetensors")), *sorted(folder.glob("*config.json"))]
        elif name == "lpips":
            files = [self._path(self.given.lpips_trunk), self._path(self.given.lpips_heads)]
        elif name in ("aesthetic", "raft"):
            files = [self._path(self.given.looks_head if name == "aesthetic" else self.given.raft)]
        else:
            files = [self._path(self.given.scripts[name].file)]
        digests = [_sha256(path) for path in files]
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    def _path(self, said: str | None) -> Path:
        path = Path(said or "").expanduser()
        if not said or not path.exists():
            raise MareyError(f"{said or 'a network'} is not there: a file or folder on this machine would do.")
        return path

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._opened:
            self._opened[name] = make()
        return self._opened[name]


class _Dino:
    def __init__(self, folder: Path, name: str) -> None:
        from marey.network.vision import VisionModel

        self.name, self._model = name, VisionModel(folder)

    def features(self, pictures: list[np.ndarray]) -> np.ndarray:
        return np.asarray(self._model.pictures(pictures).numpy())


class _Dreamsim:
    def __init__(self, network: Any, name: str) -> None:
        self.name, self._network = name, network

    def features(self, pictures: list[np.ndarray]) -> np.ndarray:
        import torch

        small = [cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC) for picture in pictures]
        with torch.inference_mode():
            return np.concatenate([self._network(_tensor(picture) / 255).numpy() for picture in small])


def _tensor(picture: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()


def _square(picture: np.ndarray) -> np.ndarray:
    """The middle of a picture, `_SIDE` pixels square."""
    high, wide = cover(picture.shape[0], picture.shape[1], _SIDE, _SIDE)
    return centre(cv2.resize(picture, (wide, high), interpolation=cv2.INTER_CUBIC), _SIDE, _SIDE)


def _near(height: int, width: int, side: int) -> tuple[int, int]:
    """(width, height) with the short side at `side`, both multiples of 32."""
    scale = side / min(height, width)
    return max(32, round(width * scale / 32) * 32), max(32, round(height * scale / 32) * 32)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
