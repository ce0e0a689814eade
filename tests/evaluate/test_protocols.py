import math
import random

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from marey.errors import MareyError
from marey.evaluate.backbones import BACKBONES
from marey.evaluate.protocols import PROTOCOLS


def video(frames: int = 20, height: int = 90, width: int = 120, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3)).astype(np.uint8)
    smooth = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in noise])
    return np.where(np.arange(width)[None, None, :, None] < width // 2, smooth, noise)


def test_each_names_a_backbone_and_says_what_it_is() -> None:
    assert {"fvd/styleganv-2048x16", "fvd/cdfvd-i3d-128", "fvd/tats-128", "fvd/svd-ucf101"} <= PROTOCOLS.keys()
    for id, protocol in PROTOCOLS.items():
        assert protocol.id == id
        assert protocol.backbone in BACKBONES
        assert protocol.says.endswith(".")
    assert not any(id.startswith("fvd/") for id, p in PROTOCOLS.items() if p.backbone == "marey-td"), "it is not FVD"


def shorter_and_centre(clip: np.ndarray, side: int, *, antialias: bool, half: bool) -> np.ndarray:
    """The loaders of cd-fvd and TATS, written out with torch: shorter side, centre, a cast of 255 times the value."""
    values = torch.from_numpy(clip).permute(0, 3, 1, 2).float() / 255.0
    height, width = values.shape[2:]
    scale = side / min(height, width)
    size = (side, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), side)
    values = interpolate(values, size=size, mode="bilinear", align_corners=False, antialias=antialias)
    top, left = (values.shape[2] - side) // 2, (values.shape[3] - side) // 2
    values = values[:, :, top : top + side, left : left + side]
    if half:
        values = (values - 0.5) + 0.5
    return (values * 255).byte().permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize(("height", "width"), [(90, 120), (120, 90), (128, 128), (256, 300), (240, 320)])
@pytest.mark.parametrize(
    ("id", "side", "antialias", "half"),
    [
        ("fvd/cdfvd-i3d-128", 128, True, False),
        ("fvd/cdfvd-i3d-256", 256, True, False),
        ("fvd/tats-128", 128, False, True),
    ],
)
def test_prepared_as_the_loaders_do(height: int, width: int, id: str, side: int, antialias: bool, half: bool) -> None:
    frames = video(2, height, width)
    ours = np.stack([PROTOCOLS[id].prepare(frame) for frame in frames])
    theirs = shorter_and_centre(frames, side, antialias=antialias, half=half)
    assert ours.shape == (2, side, side, 3)
    apart = np.abs(ours.astype(int) - theirs)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01


def test_the_codes_differ_where_they_are_said_to() -> None:
    """A control: each other's preparation would not pass."""
    frame = video(1, 240, 320)[0]
    cd, tats = PROTOCOLS["fvd/cdfvd-i3d-128"].prepare(frame), PROTOCOLS["fvd/tats-128"].prepare(frame)
    assert (cd != tats).mean() > 0.5
    same = video(1, 128, 128)[0]
    lost = (PROTOCOLS["fvd/tats-128"].prepare(same).astype(int) - same).ravel()
    assert set(lost.tolist()) == {-1, 0}, "taking 0.5 off and giving it back costs some levels"
    assert (PROTOCOLS["fvd/styleganv-2048x16"].prepare(frame) == frame).all()


def test_svds_ucf_is_antialiased_and_cut_to_the_centre() -> None:
    protocol = PROTOCOLS["fvd/svd-ucf101"]
    frame = video(1, 320, 576)[0]
    values = torch.from_numpy(frame).permute(2, 0, 1)[None].double()
    resized = interpolate(values, size=(240, 432), mode="bilinear", align_corners=False, antialias=True)
    expected = resized[0, :, :, 56 : 56 + 320].permute(1, 2, 0).round().numpy()
    ours = protocol.prepare(frame)
    assert ours.shape == (240, 320, 3)
    assert (ours == expected).mean() > 0.999
    real = video(1, 240, 320)[0]
    assert (protocol.prepare(real) == real).all(), "UCF-101 has that size"
    assert protocol.count == (13320, 13320)
    assert protocol.biased
    assert (protocol.frames, protocol.fps) == (16, 25.0)


def test_a_real_start_is_random_a_made_one_the_first() -> None:
    protocol = PROTOCOLS["fvd/styleganv-2048x16"]
    assert protocol.indices(100, id="a", side="fake").tolist() == list(range(16))
    starts = {protocol.indices(40, id=str(n)).tolist()[0] for n in range(500)}
    assert starts == set(range(25)), "every start that fits, and no other"
    assert protocol.indices(40, id="a").tolist() == protocol.indices(40, id="a").tolist()
    assert protocol.indices(16, id="a").tolist() == list(range(16))
    assert protocol.indices(15, id="a") is None, "short videos are discarded"


def test_a_start_may_lie_later_where_frames_are_skipped() -> None:
    """StyleGAN-V draws up to `available - frames * every + every - 1`."""
    protocol = PROTOCOLS["fvd/styleganv-2048x16-every8"]
    chosen = [protocol.indices(130, id=str(n)) for n in range(300)]
    random.seed(0)
    theirs = {random.randint(0, 130 - 16 * 8 + 8 - 1) for _ in range(300)}
    assert {int(one[0]) for one in chosen} == theirs == set(range(10))
    assert all(one[-1] < 130 for one in chosen)
    assert (np.diff(chosen[0]) == 8).all()
    assert protocol.indices(127, id="a") is None


def test_other_rates_are_brought_to_25() -> None:
    protocol = PROTOCOLS["fvd/svd-ucf101"]
    assert protocol.indices(16, 25.0, id="a", side="fake").tolist() == list(range(16))
    assert protocol.indices(60, 50.0, id="a", side="fake").tolist() == list(range(0, 32, 2))
    slow = protocol.indices(20, 12.5, id="a", side="fake")
    assert slow.tolist() == [round(n / 2) for n in range(16)]
    assert protocol.indices(30, 50.0, id="a", side="fake") is None, "0.58 seconds hold no 16 frames at 25 a second"
    with pytest.raises(MareyError, match="25 frames a second"):
        protocol.indices(30, id="a")


def test_which_videos_are_taken() -> None:
    names = [f"{n:04d}" for n in reversed(range(3000))]
    style = PROTOCOLS["fvd/styleganv-2048x16"]
    assert [name for name, _ in style.listing(names, "real")] == [f"{n:04d}" for n in range(2048)]
    cd = PROTOCOLS["fvd/cdfvd-i3d-128"]
    assert len(cd.listing(names, "real")) == 3000
    few = cd.listing(names[:1000], "fake")
    assert len(few) == 2048, "made videos are gone through again"
    assert len({id for _, id in few}) == 2048
    assert few[1000][1] == f"{few[0][0]}#2"
    first, again = (cd.indices(100, id=id, side="fake").tolist() for id in (few[0][1], few[1000][1]))
    assert first != again
    assert len(style.listing(names[:10], "fake")) == 10
    assert "of 2048 made clips; these are 10" in style.notes(10, 2048)[0]
    assert not style.notes(2048, 2048)
    assert not PROTOCOLS["frechet/marey-td"].notes(3, 4)


def test_tats_draws_among_all_clips() -> None:
    protocol = PROTOCOLS["fvd/tats-128"]
    lengths = {f"{n:03d}": 15 if n < 10 else 16 if n < 50 else 115 for n in range(100)}
    drawn = protocol.listing(lengths, "real", lengths)
    assert drawn == protocol.listing(reversed(lengths), "real", lengths)
    assert len(drawn) == len({id for _, id in drawn}) == 2048
    names = [name for name, _ in drawn]
    assert not set(names) & {f"{n:03d}" for n in range(10)}, "too short to have a clip"
    assert names.count("070") == pytest.approx(2048 * 100 / 5040, rel=0.5)
    assert sum(lengths[name] == 16 for name in names) == pytest.approx(2048 * 40 / 5040, abs=16)
    starts = {int(protocol.indices(115, id=id)[0]) for name, id in drawn if lengths[name] == 115}
    assert len(starts) == 100, "every start of a clip"
    alone = protocol.listing(lengths, "real")
    assert sorted(alone) == [(name, name) for name in sorted(lengths)]
    assert alone != sorted(alone), "without lengths each once, in a random order"
    assert protocol.listing(lengths, "fake") == [(name, name) for name in sorted(lengths)]


def test_a_clip_is_drawn_and_prepared() -> None:
    clip = PROTOCOLS["fvd/cdfvd-i3d-128"].clip(video(), id="a")
    assert clip is not None
    assert clip.shape == (16, 128, 128, 3)
    assert clip.dtype == np.uint8
    assert PROTOCOLS["fvd/cdfvd-i3d-128"].clip(video(15), id="a") is None
    whole = PROTOCOLS["frechet/marey-td"].clip(video(7))
    assert whole is not None
    assert (whole == video(7)).all()
    assert PROTOCOLS["frechet/marey-td"].clip(video(7)[:0]) is None
