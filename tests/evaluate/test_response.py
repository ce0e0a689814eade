"""What the distances see: more of a harm is further away, and more of the truth is not.

The hand features see noise, blur, shuffled, frozen and dropped frames. A random network sees noise, blur and shuffling,
but no freezing: a control that not every backbone would pass.
"""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from marey.evaluate import DISTANCES, PROTOCOLS, Backbone, FeatureSet, open_backbone

from .moving import texture

FRAMES, SIDE, N = 8, 32, 60


def videos(seed: int) -> np.ndarray:
    """Pans of random speed over pieces of a texture, none of them still."""
    rng = np.random.default_rng(seed)
    wide = texture(0, 240)
    made = []
    for _ in range(N):
        x, y = rng.integers(40, 160, 2)
        right, down = rng.choice([-3, -2, -1, 1, 2, 3], 2)
        made.append(np.stack([wide[y + t * down :, x + t * right :][:SIDE, :SIDE] for t in range(FRAMES)]))
    return np.stack(made)


TRUE, MORE = videos(1), videos(2)


def noisy(deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=TRUE.shape)
    return np.clip(TRUE + deviation * noise, 0, 255).astype(np.uint8)


def blurred(sigma: float) -> np.ndarray:
    return np.stack([[cv2.GaussianBlur(frame, (0, 0), sigma) for frame in video] for video in TRUE])


def shuffled(window: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    orders = [np.concatenate([rng.permutation(window) + at for at in range(0, FRAMES, window)]) for _ in TRUE]
    return np.stack([video[order] for video, order in zip(TRUE, orders, strict=True)])


def frozen(held: int) -> np.ndarray:
    """The first `held` frames are one."""
    return np.concatenate([TRUE[:, :1].repeat(held, axis=1), TRUE[:, held:]], axis=1)


def dropped(every: int) -> np.ndarray:
    """Every so many frames one is shown again in place of the next."""
    return TRUE[:, [t - 1 if t % every == every - 1 else t for t in range(FRAMES)]]


def seen(backbone: Backbone, shown: np.ndarray, name: str) -> FeatureSet:
    held = FeatureSet(backbone.d, backbone=backbone.id, sha256=backbone.sha256)
    for n, video in enumerate(shown):
        held.update(backbone.features(video), [f"{name}{n}"])
    return held


HAND = open_backbone("marey-td")
REFERENCE = seen(HAND, MORE, "more")


def plain(shown: np.ndarray, distance: str = "frechet") -> float:
    return DISTANCES[distance](seen(HAND, shown, "true"), REFERENCE).plain


HARMS = {
    "noise": [noisy(s) for s in (4, 10, 25)],
    "blur": [blurred(s) for s in (0.7, 1.5, 4)],
    "shuffle": [shuffled(w) for w in (2, 4, 8)],
    "freeze": [frozen(k) for k in (4, 6, 8)],
    "drop": [dropped(k) for k in (4, 3, 2)],
}


@pytest.mark.parametrize("harm", HARMS)
def test_more_harm_is_further_away(harm: str) -> None:
    sets = [seen(HAND, shown, "true") for shown in HARMS[harm]]
    for name in ("frechet", "jedi", "kvd", "rbf"):
        distance = DISTANCES[name]
        floor = distance(seen(HAND, TRUE, "true"), REFERENCE).interval
        found = [distance(held, REFERENCE).interval for held in sets]
        values = [one.value for one in found]
        assert values == sorted(values), name
        assert found[-1].low > max(0, floor.value), name


@pytest.mark.parametrize("distance", list(DISTANCES))
def test_more_of_the_truth_is_no_harm(distance: str) -> None:
    """The negative control: the interval of the truth against more truth reaches down to nothing."""
    found = DISTANCES[distance](seen(HAND, TRUE, "true"), REFERENCE).interval
    worst = DISTANCES[distance](seen(HAND, noisy(40), "true"), REFERENCE).interval
    assert found.low <= 0 or found.value < 0.1 * worst.value
    assert worst.low > found.high


def test_time_reversed_is_not_seen() -> None:
    """All that the hand features know of time is the same backwards: what they say nothing of is said here."""
    assert plain(TRUE[:, ::-1]) == pytest.approx(plain(TRUE), rel=1e-6)


class RandomNetwork(torch.nn.Module):
    """Two layers over space and time, and the means of what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv3d(3, 16, [3, 5, 5], stride=[1, 2, 2])
        self.second = torch.nn.Conv3d(16, 32, [3, 3, 3], stride=[1, 2, 2])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x - 0.5))))
        return x.mean(dim=[2, 3, 4])


@pytest.mark.parametrize("harm", ["noise", "blur", "shuffle"])
def test_a_random_network_sees_noise_blur_and_shuffling(harm: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    file = tmp_path / "random.pt"
    torch.jit.script(RandomNetwork()).save(str(file))
    backbone = open_backbone("torchscript", file, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    real = seen(backbone, MORE, "more")
    found = [DISTANCES["frechet"](seen(backbone, shown, "true"), real).plain for shown in (TRUE, *HARMS[harm])]
    assert found[1:] == sorted(found[1:])
    assert found[-1] > found[0]


def test_a_protocol_from_files_to_a_distance() -> None:
    """Drawn, prepared, described, and refused beside what another protocol made."""
    protocol = PROTOCOLS["frechet/marey-td"]
    backbone = protocol.open()
    sets = []
    for shown, side in ((TRUE, "fake"), (MORE, "real")):
        held = FeatureSet(backbone.d, backbone=backbone.id, sha256=backbone.sha256, protocol=protocol.id)
        table = {f"{side}-{n}": video for n, video in enumerate(shown)}
        for name, id in protocol.listing(table, side):
            clip = protocol.clip(table[name], 25.0, id=id, side=side)
            assert clip is not None
            held.update(backbone.features(clip), [id])
        sets.append(held)
    found = DISTANCES["frechet"](*sets, biased=protocol.biased)
    assert found.plain == pytest.approx(plain(TRUE))
