"""Does this installation measure what others measure: golden fixtures for features, and closed forms for distances.

What is checked needs no weights and no footage: clips are made by integer arithmetic, networks get weights by formula.
Where the real weights of I3D are at hand, a published number is asked for, too.
"""

import hashlib
import importlib
import json
import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import marey
from marey.errors import MareyError, MissingExtra
from marey.evaluate.backbones import BACKBONES, open_backbone
from marey.evaluate.calibration import auroc, ece
from marey.evaluate.distances import DISTANCES, jackknife, quadratic_mmd
from marey.evaluate.moments import MomentState, frechet
from marey.evaluate.protocols import PROTOCOLS
from marey.evaluate.reservoir import FeatureSet

Array = npt.NDArray[np.float64]
GOLDEN = Path(__file__).with_name("golden.json")
BLACK_TO_WHITE = 151.26
"""The Frechet video distance of eight black videos of 30 frames from eight white ones, on I3D: common_metrics prints
151.26, and the original in TensorFlow 151.39. As neither side has any spread, it is the square of one distance.
"""
_NETWORKS = ("i3d-400", "inception", "videomae-g")


@dataclass(frozen=True)
class Check:
    """One thing that was measured. `missing` is an extra that is not installed: nothing is broken."""

    name: str
    status: Literal["ok", "missing", "failed"]
    detail: str


@dataclass(frozen=True)
class Report:
    """All checks, and what they were made with."""

    checks: list[Check]
    versions: dict[str, str]
    digest: str
    """sha256 of the rest, so that a report that goes with a paper can be told from an altered one by who keeps it."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(check.status != "failed" for check in self.checks)

    def __str__(self) -> str:
        lines = [f"{check.status:<8} {check.name:<30} {check.detail}" for check in self.checks]
        return "\n".join([*lines, "", ", ".join(f"{name} {version}" for name, version in self.versions.items())])


def doctor(i3d: Path | None = None) -> Report:
    """Measure the fixtures and say how far each is from what it must be.

    Args:
        i3d: StyleGAN-V's `i3d_torchscript.pt`, where it is at hand.
    """
    checks = [*_features(), *_networks(), *_preparations(), *_closed_forms(), *_ladder()]
    if i3d is not None:
        checks.append(_published(i3d))
    versions = {"marey": marey.__version__, "python": platform.python_version()}
    for module in ("numpy", "cv2", "av", "torch"):
        try:
            versions[module] = str(importlib.import_module(module).__version__)
        except ImportError:
            versions[module] = "absent"
    body = json.dumps({"checks": [asdict(check) for check in checks], "versions": versions}, sort_keys=True)
    return Report(checks, versions, hashlib.sha256(body.encode()).hexdigest())


def golden_clip(frames: int = 12, height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    """A clip `(T, H, W, 3)` of whole numbers alone: a pattern that slides, and a square that moves over it."""
    t, y, x, c = np.ogrid[:frames, :height, :width, :3]
    pattern = (x * 3 + y * 5 + t * 7 + c * 40) % 96 + (x * y // 16 + 3 * t) % 64 * 2
    inside = (np.abs(x - 8 - 4 * t) < 6) & (np.abs(y - 20) < 8)
    return np.where(inside, 220 - 30 * c, pattern).astype(np.uint8)


def measured_features() -> Array:
    """What `marey-td` gives for the golden clip."""
    return open_backbone("marey-td").features(golden_clip())[0]


def measured_network(name: str) -> Array:
    """What a small network of this kind, with weights by formula, gives for the golden clip.

    Raises:
        MissingExtra: torch is not installed.
    """
    from marey.errors import require

    torch = require("torch", "train")
    from marey.network.i3d import I3d
    from marey.network.inception import Inception
    from marey.network.videomae import VideoMae

    made: dict[str, Callable[[], Any]] = {
        "i3d-400": lambda: I3d(8, 1 / 16),
        "inception": lambda: Inception(1 / 32, 4),
        "videomae-g": lambda: VideoMae(16, 2, 4, 24, patch=14, frames=4, size=56, classes=3),
    }
    network = made[name]().eval()
    with torch.inference_mode():
        for place, (key, value) in enumerate(network.state_dict().items()):
            if value.is_floating_point():
                angle = torch.arange(value.numel(), dtype=torch.float64) * 0.7 + place
                fan = max(1, value[0].numel()) if value.dim() > 1 else 1
                wave = angle.sin() * (2 / fan) ** 0.5 if value.dim() > 1 else 0.1 * angle.sin()
                ones = key.endswith(("running_var", "bn.weight", "norm1.weight", "norm2.weight", "fc_norm.weight"))
                value.copy_((wave + ones).reshape(value.shape))
        size = {"i3d-400": (12, 224), "inception": (1, 299), "videomae-g": (4, 56)}[name]
        clip = torch.from_numpy(golden_clip(size[0], size[1], size[1])).permute(3, 0, 1, 2).float() / 127.5 - 1
        batch = clip.transpose(0, 1) if name == "inception" else clip[None]
        return np.asarray(network(batch)[0].double().numpy())


def measured_preparation(id: str) -> Array:
    """Two sums over a prepared golden frame, the second of which knows where each pixel lies."""
    frame = PROTOCOLS[id].prepare(golden_clip(1, 320, 576)[0]).astype(np.float64)
    return np.array([frame.mean(), (frame.ravel() * np.cos(np.arange(frame.size))).sum() / math.sqrt(frame.size)])


def prepared() -> list[str]:
    """The protocols that change a frame."""
    return [id for id, protocol in PROTOCOLS.items() if protocol.shape != "as it is"]


def _golden() -> dict[str, list[float]]:
    return dict(json.loads(GOLDEN.read_text(encoding="utf-8")))


def _compared(name: str, found: Array, golden: list[float] | None, tolerance: float) -> Check:
    if golden is None or found.shape != (len(golden),):
        return Check(name, "failed", f"{found.shape} numbers, and {len(golden or [])} golden ones")
    wanted = np.array(golden)
    apart = float(np.abs(found - wanted).max()) / max(1.0, float(np.abs(wanted).max()))
    return Check(name, "ok" if apart <= tolerance else "failed", f"golden to {apart:.0e}, at most {tolerance:.0e}")


def _features() -> Iterator[Check]:
    found = measured_features()
    yield _compared("features marey-td", found, _golden().get("marey-td"), 1e-6)


def _networks() -> Iterator[Check]:
    for name in _NETWORKS:
        try:
            found = measured_network(name)
        except MissingExtra as error:
            yield Check(f"network {name}", "missing", str(error))
            continue
        yield _compared(f"network {name}", found, _golden().get(name), 1e-4)


def _preparations() -> Iterator[Check]:
    for id in prepared():
        yield _compared(f"prepared {id}", measured_preparation(id), _golden().get(id), 1e-4)


def _closed_forms() -> Iterator[Check]:
    rng = np.random.default_rng(0)
    spread, other = rng.uniform(0.1, 3, 64), rng.uniform(0.1, 3, 64)
    shift = rng.normal(size=64)
    expected = float(((np.sqrt(spread) - np.sqrt(other)) ** 2).sum() + (shift**2).sum())
    turn, _ = np.linalg.qr(rng.normal(size=(64, 64)))
    one = MomentState.of(np.zeros(64), turn @ np.diag(spread) @ turn.T, 1000)
    two = MomentState.of(turn @ shift, turn @ np.diag(other) @ turn.T, 1000)
    yield _near("Frechet of Gaussians", frechet(one, two), expected)
    # A vertex on each side of each axis has exactly this covariance, and there are fewer of them than features.
    corners = np.concatenate([np.eye(16, 64), -np.eye(16, 64)])
    few, fewer = MomentState(64).update(2 * corners), MomentState(64).update(3 * corners + 1)
    yield _near("Frechet of few vectors", frechet(few, fewer), 64 + 16 * 2 / 31)
    yield _near("Frechet of itself", frechet(few, few) + frechet(one, one), 0.0)
    x, y = rng.normal(size=(300, 20)), rng.normal(0.3, 1.2, size=(280, 20))
    whole = MomentState(20).update(x)
    parts = MomentState(20).update(x[200:]).merge(MomentState(20).update(x[:200]))
    yield _near("shards merge", float(np.abs(whole.scatter - parts.scatter).max()), 0.0)
    gram = (x @ x.T / 20) ** 2, (y @ y.T / 20) ** 2, (x @ y.T / 20) ** 2
    direct = 100 * (gram[0].mean() + gram[1].mean() - 2 * gram[2].mean())
    yield _near("JEDi from moments", quadratic_mmd(whole, MomentState(20).update(y), unbiased=False), float(direct))
    cubes = (x @ x.T / 20 + 1) ** 3, (y @ y.T / 20 + 1) ** 3, (x @ y.T / 20 + 1) ** 3
    within = [float((table.sum() - np.trace(table)) / (len(table) * (len(table) - 1))) for table in cubes[:2]]
    sets = [_set(x, "x"), _set(y, "y")]
    yield _near("KVD over pairs", DISTANCES["kvd"](*sets).plain, sum(within) - 2 * float(cubes[2].mean()))
    values = rng.normal(size=20)
    left = [float(np.delete(values, n).mean()) for n in range(20)]
    found = jackknife(float(values.mean()), left, 20, 0.95)
    reach = 2.0930240544 * float(values.std(ddof=1)) / math.sqrt(20)
    yield _near("jackknife of a mean", float(found.high or 0) - found.value, reach)
    yield _near("ECE, both binnings", sum(ece([0.9] * 4, [1, 0, 1, 0], binning=b) for b in ("width", "mass")), 0.8)
    yield _near("AUROC with a tie", auroc([3, 2, 2, 1], [1, 1, 0, 0]), 0.875)


def _ladder() -> Iterator[Check]:
    """More noise is further away from the same clips, and so is what stands still."""
    true = [_pan(n) for n in range(20)]
    noise = np.random.default_rng(0).normal(size=(20, *true[0].shape))
    noisy = [
        [np.clip(clip + deviation * grain, 0, 255).astype(np.uint8) for clip, grain in zip(true, noise, strict=True)]
        for deviation in (5, 15, 40)
    ]
    frozen = [clip[:1].repeat(len(clip), axis=0) for clip in true]
    reference = _described(true)
    floor, *steps, still = (frechet(_described(clips), reference) for clips in (true, *noisy, frozen))
    ordered = floor < 1e-6 < steps[0] < steps[1] < steps[2] and still > steps[0]
    shown = ", ".join(f"{value:.3g}" for value in (floor, *steps))
    yield Check("ladder", "ok" if ordered else "failed", f"truth and noise of 5, 15, 40: {shown}; frozen: {still:.3g}")


def _pan(seed: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    waves = [(rng.uniform(-0.6, 0.6, 2), rng.uniform(0, 6), rng.uniform(-1, 1, 3)) for _ in range(6)]
    right, down = rng.choice([-2, -1, 1, 2], 2)
    frames = []
    for t in range(6):
        wave = sum(
            np.sin((x + right * t) * rate[0] + (y + down * t) * rate[1] + phase)[..., None] * colour
            for rate, phase, colour in waves
        )
        frames.append(np.clip(128 + 40 * wave, 0, 255).astype(np.uint8))
    return np.stack(frames)


def _described(clips: list[npt.NDArray[np.uint8]]) -> MomentState:
    backbone = open_backbone("marey-td")
    return MomentState(backbone.d).update(np.concatenate([backbone.features(clip) for clip in clips]))


def _set(rows: Array, name: str) -> FeatureSet:
    return FeatureSet(rows.shape[1]).update(rows, [f"{name}{n}" for n in range(len(rows))])


def _published(path: Path) -> Check:
    name = "published black to white"
    try:
        backbone = open_backbone("i3d", path)
    except MissingExtra as error:
        return Check(name, "missing", str(error))
    except MareyError as error:
        return Check(name, "failed", str(error))
    black, white = (backbone.features(np.full((30, 64, 64, 3), level, np.uint8)) for level in (0, 255))
    found = float(((black - white) ** 2).sum())
    near = abs(found / BLACK_TO_WHITE - 1) < 0.01
    weights = (BACKBONES["i3d"].sha256 or "")[:12]
    return Check(name, "ok" if near else "failed", f"{found:.2f}, published {BLACK_TO_WHITE}, weights {weights}")


def _near(name: str, found: float, expected: float) -> Check:
    apart = abs(found - expected) / max(1.0, abs(expected))
    return Check(name, "ok" if apart < 1e-9 else "failed", f"{found:.9g}, closed form {expected:.9g}")
