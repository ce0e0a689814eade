"""How other people's Frechet distances draw and prepare their clips: named presets that repeat what each code does.

"What exactly did you run?" has as many answers as there are codes: one squashes and another crops, one antialiases and
another does not, one truncates where another rounds, one divides by n and another by n - 1. A distance carries the id
of its protocol, and those of two protocols do not compare. Sources: the codes named in each preset, as read in 2026.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.backbones import Backbone, open_backbone
from marey.evaluate.frames import Picture
from marey.evaluate.resize import centre, covering, resize, resize_as_torch, shorter_to

Clip = npt.NDArray[np.uint8]
Side = Literal["real", "fake"]
Start = Literal["first", "random"]
Levels = Literal["round", "truncate", "truncate, centred"]
"""To the nearest; or as a cast of 255 times the float32 value does, downward; or so after 0.5 was taken off and given
back, which costs a bit."""
Shape = Literal["as it is", "shorter side, centre", "covering, centre"]


@dataclass(frozen=True)
class Protocol:
    """One way to make a distance between two sets of videos out of files."""

    id: str
    title: str
    backbone: str
    """Its name in `BACKBONES`; the network's own resize is part of the backbone."""
    says: str
    """One sentence for a reader: what it repeats, from where."""
    frames: int | None = 16
    """Of a clip; None takes every frame of a video as it is."""
    every: int = 1
    """Of so many frames one is taken."""
    fps: float | None = None
    """The rate to which a video is brought first, by its nearest frames; None keeps its own."""
    start: tuple[Start, Start] = ("first", "first")
    """Of the clip in a real and in a made video."""
    late: int = 0
    """So many frames later than fits a random start may lie: StyleGAN-V's, where it skips frames."""
    shape: Shape = "as it is"
    size: tuple[int, int] = (0, 0)
    """(height, width) that the shape asks for."""
    antialias: bool = False
    levels: Levels = "round"
    """How the resized picture becomes whole levels again."""
    biased: bool = False
    """Covariance over n."""
    count: tuple[int | None, int | None] = (None, None)
    """Of real and of made videos; None takes all. The first in sorted order are taken."""
    among_clips: bool = False
    """Whether real clips are drawn at random among all clips of all videos, rather than the first videos."""
    repeats: bool = False
    """Whether too few made videos are gone through again, with new starts, until there are as many as asked for."""

    def listing(
        self, names: Iterable[str], side: Side, lengths: Mapping[str, int] | None = None
    ) -> list[tuple[str, str]]:
        """(name, id) of each clip that is to be drawn, from the names of all videos of a side.

        The id is the name, with "#2" and so on where a video is drawn again.

        Args:
            lengths: frames of each video, for protocols that draw among all clips, so that a long video is drawn more
                often; without them each video is drawn once.
        """
        have = sorted(names)
        count = self.count[_column(side)]
        if side == "real" and self.among_clips:
            have.sort(key=lambda name: _draw(f"{self.id} {name}", 2**63))
            clips = [max(0, (lengths or {}).get(name, 0) - (self.frames or 1) * self.every + 1) for name in have]
            if count is not None and any(clips):
                return _weighted(self.id, have, clips, count)
        if count is None or not have:
            return [(name, name) for name in have]
        if side == "fake" and self.repeats:
            passes = -(-count // len(have))
            drawn = [(name, name if n == 0 else f"{name}#{n + 1}") for n in range(passes) for name in have]
            return drawn[:count]
        return [(name, name) for name in have[:count]]

    def indices(
        self, total: int, fps: float | None = None, *, id: str = "", side: Side = "real"
    ) -> npt.NDArray[np.int64] | None:
        """Which frames of a video of `total` frames are taken, or None where it is too short, and so discarded.

        Args:
            fps: the video's own rate, where the protocol asks for one.
            id: where a start is random it depends on this alone, so that it is the same in every run.

        Raises:
            MareyError: the protocol asks for a rate and the video's is not given.
        """
        steps = np.arange(total, dtype=np.int64)
        if self.fps is not None:
            if not fps or fps <= 0:
                raise MareyError(
                    f"{self.id} brings videos to {self.fps:g} frames a second: the rate of {id!r} is needed."
                )
            if total:
                # No tick lies after the last frame's own time.
                ticks = np.arange(int(np.floor((total - 1) / fps * self.fps + 1e-6)) + 1)
                steps = np.clip(np.round(ticks * fps / self.fps), 0, total - 1).astype(np.int64)
        if self.frames is None:
            return steps if len(steps) else None
        span = self.frames * self.every
        if len(steps) < span:
            return None
        latest = len(steps) - span + self.late
        first = _draw(f"{self.id} {side} {id}", latest + 1) if self.start[_column(side)] == "random" else 0
        return steps[first : first + span : self.every]

    def prepare(self, frame: Picture) -> Picture:
        """One frame `(H, W, 3)`, as the protocol's loader gives it to the network."""
        if self.shape == "as it is":
            return frame
        target = covering(frame.shape, self.size) if self.shape == "covering, centre" else None
        target = target or shorter_to(frame.shape, min(self.size))
        if self.levels == "round":
            resized = np.round(resize(frame, target, antialias=self.antialias)).clip(0, 255)
        else:
            unit = resize_as_torch(frame.astype(np.float32) / np.float32(255), target, antialias=self.antialias)
            if self.levels == "truncate, centred":
                unit = (unit - np.float32(0.5)) + np.float32(0.5)
            resized = unit * np.float32(255)
        return np.ascontiguousarray(centre(resized, self.size).astype(np.uint8))

    def clip(
        self,
        video: npt.NDArray[np.uint8] | Sequence[Picture],
        fps: float | None = None,
        *,
        id: str = "",
        side: Side = "real",
    ) -> Clip | None:
        """The clip `(T, h, w, 3)` of a video in memory, or None where it is too short."""
        chosen = self.indices(len(video), fps, id=id, side=side)
        return None if chosen is None else np.stack([self.prepare(video[n]) for n in chosen])

    def open(self, path: Path | None = None, *, sha256: str | None = None, device: str = "cpu") -> Backbone:
        """Its backbone, from a file of weights where it needs one.

        Raises:
            MareyError: the file is absent, or another than the one that was named.
            MissingExtra: torch is not installed.
        """
        return open_backbone(self.backbone, path, sha256=sha256, device=device)

    def notes(self, fake: int, real: int) -> list[str]:
        """What keeps a run on so many clips from comparing with the published numbers; empty where nothing does."""
        found = []
        for side, have, want in (("real", real, self.count[0]), ("made", fake, self.count[1])):
            if want is not None and have != want:
                found.append(f"{self.id} is of {want} {side} clips; these are {have}, and distances at other n differ")
        return found


def _column(side: Side) -> int:
    return 0 if side == "real" else 1


def _weighted(seed: str, names: Sequence[str], weights: Sequence[int], count: int) -> list[tuple[str, str]]:
    """So many draws, each video as often as it has clips, by a random order that depends on the seed alone."""
    ends = np.cumsum(weights)
    seen: Counter[str] = Counter()
    drawn = []
    for n in range(min(count, int(ends[-1]))):
        name = names[int(np.searchsorted(ends, _draw(f"{seed} clip {n}", int(ends[-1])), side="right"))]
        seen[name] += 1
        drawn.append((name, name if seen[name] == 1 else f"{name}#{seen[name]}"))
    return drawn


def _draw(what: str, choices: int) -> int:
    """A fair number below `choices` that depends on `what` alone."""
    digest = hashlib.blake2b(what.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % choices


def _stylegan_v(id: str, frames: int, every: int = 1) -> Protocol:
    return Protocol(
        id=id,
        title=f"FVD, {frames} frames" + (f", every {every}th" if every > 1 else ""),
        backbone="i3d",
        says="StyleGAN-V's: 2,048 clips a side, a random start in real videos and the first frames of made ones, "
        "covariances over n; the network itself squashes to 224x224.",
        frames=frames,
        every=every,
        start=("random", "first"),
        late=every - 1,
        biased=True,
        count=(2048, 2048),
    )


def _cd_fvd(id: str, backbone: str, side: int) -> Protocol:
    return Protocol(
        id=id,
        title=f"cd-fvd, {backbone}, {side} pixels",
        backbone=backbone,
        says=f"cd-fvd's for video files: a random clip of each video, the shorter side antialiased to {side} and the "
        "centre cut out, truncated to whole levels, then squashed to 224x224; covariances over n; made videos are gone "
        "through again until there are 2,048.",
        start=("random", "random"),
        shape="shorter side, centre",
        size=(side, side),
        antialias=True,
        levels="truncate",
        biased=True,
        count=(None, 2048),
        repeats=True,
    )


PROTOCOLS: dict[str, Protocol] = {
    protocol.id: protocol
    for protocol in (
        Protocol(
            id="frechet/marey-td",
            title="Frechet distance on hand features",
            backbone="marey-td",
            says="Marey's own, which needs no weights and is not FVD: every frame of every video.",
            frames=None,
        ),
        Protocol(
            id="frechet/lite0-frames",
            title="Frechet distance on EfficientNet-Lite0's pictures",
            backbone="efficientnet-lite0",
            says="Marey's own, on a small trained network out of a package, and not FID: the centre of every frame, by "
            "itself, so that it knows nothing of motion.",
            frames=None,
        ),
        _stylegan_v("fvd/styleganv-2048x16", 16),
        _stylegan_v("fvd/styleganv-2048x128", 128),
        _stylegan_v("fvd/styleganv-2048x16-every8", 16, 8),
        _cd_fvd("fvd/cdfvd-i3d-128", "i3d-400", 128),
        _cd_fvd("fvd/cdfvd-i3d-256", "i3d-400", 256),
        _cd_fvd("fvd/cdfvd-videomae-128", "videomae-g", 128),
        _cd_fvd("fvd/cdfvd-videomae-256", "videomae-g", 256),
        Protocol(
            id="fvd/tats-128",
            title="TATS's FVD, 128 pixels",
            backbone="i3d-400",
            says="TATS's: 16 frames, real ones drawn at random among all clips, the shorter side to 128 without "
            "antialiasing and the centre cut out, truncated to whole levels, then squashed to 224x224; covariances "
            "over n - 1; 2,048 clips a side.",
            among_clips=True,
            start=("random", "first"),
            shape="shorter side, centre",
            size=(128, 128),
            levels="truncate, centred",
            count=(2048, 2048),
        ),
        Protocol(
            id="fvd/svd-ucf101",
            title="Stable Video Diffusion's UCF-101",
            backbone="i3d",
            says="Stable Video Diffusion's (appendix E.4): 13,320 videos a side, 16 frames at 25 a second, 320x576 "
            "antialiased to 240x432 and the centre 240x320 cut out, then StyleGAN-V's script.",
            fps=25.0,
            start=("random", "first"),
            shape="covering, centre",
            size=(240, 320),
            antialias=True,
            biased=True,
            count=(13320, 13320),
        ),
        Protocol(
            id="fid/inception-2015",
            title="FID of all frames",
            backbone="inception",
            says="The Frechet inception distance of all frames: TensorFlow's resize to 299, covariances over n - 1.",
            frames=None,
        ),
        Protocol(
            id="frechet/clip-frames",
            title="Frechet distance on CLIP's pictures",
            backbone="clip",
            says="All frames as a given CLIP folder's own processor cuts them; the features depend on that folder.",
            frames=None,
        ),
        Protocol(
            id="frechet/videomae-folder",
            title="Frechet distance on a VideoMAE folder",
            backbone="videomae",
            says="The first 16 frames, as the given folder's own settings scale them; this is not cd-fvd.",
        ),
    )
}
"""All protocols, by id."""
