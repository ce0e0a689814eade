"""What is no boundary changes what it says it changes, and nothing else."""

import numpy as np
import pytest

from marey.worlds.confounders import KINDS, confound, passing
from marey.worlds.scenes import scene


@pytest.fixture(scope="module")
def shot() -> np.ndarray:
    return np.stack(list(scene("drive", 4, seconds=2, height=96, width=128).render()))


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_frames_that_it_names_are_changed(shot: np.ndarray, kind: str) -> None:
    before = shot.copy()
    for seed in range(5):
        changed, what = confound(shot, kind, np.random.default_rng(seed))
        assert what.kind == kind
        assert 0 < what.first <= what.last < len(shot)
        differs = [bool((a != b).any()) for a, b in zip(changed, shot, strict=True)]
        assert any(differs)
        assert not any(differs[: what.first])
        assert not any(differs[what.last + 1 :])
    np.testing.assert_array_equal(shot, before)


def test_what_they_do(shot: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    flashed, what = confound(shot, "flash", rng)
    assert flashed[what.first].mean() > shot[what.first].mean() + 50
    frozen, what = confound(shot, "freeze", rng)
    assert all((frozen[n] == frozen[what.first]).all() for n in range(what.first, what.last + 1))
    stuttering, what = confound(shot, "stutter", rng)
    np.testing.assert_array_equal(stuttering[what.first], stuttering[what.first + 1])
    darker, what = confound(shot, "exposure", rng)
    assert darker[(what.first + what.last) // 2].mean() < 0.8 * shot[(what.first + what.last) // 2].mean()


def test_a_whip_a_strobe_and_a_logo(shot: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    whipped, what = confound(shot, "whip", rng)
    fine = [float(np.abs(np.diff(frame.astype(int), axis=1)).mean()) for frame in whipped]
    assert min(fine[what.first : what.last + 1]) < 0.7 * fine[what.first - 1]  # smeared along its way
    flickering, what = confound(shot, "strobe", rng)
    light = (flickering.astype(int) - shot)[what.first : what.last + 1].mean(axis=(1, 2, 3))
    assert (light > 20).any()
    assert (np.abs(light) < 1).any()
    marked, what = confound(shot, "logo", rng)
    differs = (marked[what.first] != shot[what.first]).any(axis=2).mean()
    assert 0 < differs < 0.05


def test_a_given_place_is_kept(shot: np.ndarray) -> None:
    assert confound(shot, "flash", np.random.default_rng(0), first=20)[1].first == 20


def test_what_passes_hides_the_shot_and_goes() -> None:
    still = np.repeat(np.stack(list(scene("drive", 4, seconds=0.1, height=96, width=128).render()))[:1], 60, axis=0)
    thing = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    back, turned = 0, 0
    for seed in range(12):
        changed, what = passing(still, thing, np.random.default_rng(seed), first=9)
        assert what.kind == "passing"
        assert what.first == 9
        np.testing.assert_array_equal(changed[:9], still[:9])
        hidden = [(frame != still[0]).any(axis=2).mean() for frame in changed[9 : what.last + 1]]
        assert max(hidden) > 0.3
        same = [(frame == still[0]).all() for frame in changed[what.last + 1 :]]
        assert all(same) or not any(same)  # the camera may have turned
        back, turned = back + all(same), turned + (not any(same))
    assert back >= 2
    assert turned >= 2
    np.testing.assert_array_equal(
        passing(still, thing, np.random.default_rng(5))[0], passing(still, thing, np.random.default_rng(5))[0]
    )


def test_what_cannot_be_done(shot: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no confounder 'ghost'"):
        confound(shot, "ghost", np.random.default_rng(0))
    with pytest.raises(ValueError, match="too few for a flash"):
        confound(shot[:5], "flash", np.random.default_rng(0))
    with pytest.raises(ValueError, match="10 frames are too few"):
        passing(shot[:10], shot[0], np.random.default_rng(0))
