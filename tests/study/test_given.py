"""Videos that are there already become a study: alike, under names that give nothing away, and once."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from marey.catalog import Library
from marey.errors import MareyError
from marey.evaluate.reading import read_video
from marey.media import write_video
from marey.study.design import folder_of, read
from marey.study.gather import spoilt
from marey.study.given import arm_of, plan_given

from .made_study import ARMS, make_videos


def test_every_arm_and_prompt_has_its_video(made: Path):
    with Library.open(made / "library") as store:
        design = read(store, "looks")
        folder = folder_of(store, "looks")
    assert {arm.name for arm in design.arms} == set(ARMS)
    assert len(design.prompts) == 6
    assert {(arm.axis, arm.share) for arm in design.arms} == {
        ("", 0.0),
        *(("motion", share) for share in (12.5, 25, 50)),
    }
    for arm in ARMS:
        for prompt in design.prompts:
            frames, fps = read_video(folder / f"{design.of(arm, prompt.id)}.mp4")
            assert frames.shape == (8, 192, 192, 3)
            assert fps == 8
    assert {path.name for path in folder.iterdir()} == {f"{one.id}.mp4" for one in design.videos} | {
        prompt.still for prompt in design.prompts
    }


def test_neither_a_name_nor_a_file_tells_the_arm(made: Path):
    with Library.open(made / "library") as store:
        folder = folder_of(store, "looks")
    for path in folder.iterdir():
        assert path.stem == path.stem.lower()
        assert len(path.stem) == 16
        content = path.read_bytes()
        assert not any(arm.encode() in content for arm in ARMS)


def test_a_second_plan_writes_nothing_and_another_video_only_its_study(made: Path, library: Path, tmp_path: Path):
    videos = Path(shutil.copytree(made / "videos", tmp_path / "videos"))
    with Library.open(library, write=True) as store:
        before = read(store, "looks")
        stamps = {path.name: path.stat().st_mtime_ns for path in folder_of(store, "looks").iterdir()}
        assert plan_given(store, videos, "looks") == before
        assert stamps == {path.name: path.stat().st_mtime_ns for path in folder_of(store, "looks").iterdir()}
        write_video(videos / "unfiltered" / "prompt0.mp4", np.zeros((8, 48, 48, 3), np.uint8), 8)
        assert plan_given(store, videos, "looks").hash != before.hash
        names = {path.name for path in folder_of(store, "looks").iterdir()}
        assert names.isdisjoint(stamps), "nothing of the older plan is left"


def test_lengths_and_sizes_are_made_alike(tmp_path: Path):
    videos = make_videos(tmp_path / "videos", 2, arms={"a": 0.0, "b": 5.0})
    write_video(videos / "a" / "prompt0.mp4", np.full((11, 96, 96, 3), 90, np.uint8), 8)
    with Library.open(tmp_path / "library", create=True) as store:
        design = plan_given(store, videos, "s")
        assert (design.frames, design.width, design.height) == (8, 192, 192)
        assert design.families == [["a", "b"]]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda place: shutil.rmtree(place / "b"), "1 folders of videos"),
        (
            lambda place: write_video(place / "a" / "prompt0.mp4", np.zeros((8, 48, 64, 3), np.uint8), 8),
            "width to height",
        ),
        (
            lambda place: write_video(place / "a" / "prompt0.mp4", np.zeros((8, 48, 48, 3), np.uint8), 12),
            "frames a second",
        ),
        (lambda place: [path.rename(path.with_stem(f"x{path.stem}")) for path in (place / "a").iterdir()], "in common"),
        (lambda place: (place / "prompts" / "prompt0.png").write_bytes(b"no picture"), "no picture"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(tmp_path: Path, spoil, sentence):
    videos = make_videos(tmp_path / "videos", 2, arms={"a": 0.0, "b": 5.0})
    spoil(videos)
    with Library.open(tmp_path / "library", create=True) as store, pytest.raises(MareyError, match=sentence):
        plan_given(store, videos, "s")


def test_a_study_that_is_not_there_is_a_sentence(library: Path):
    with Library.open(library, write=True) as store:
        with pytest.raises(MareyError, match="one of looks"):
            read(store, "other")
        with pytest.raises(MareyError, match="will not do"):
            plan_given(store, library, "../etc")


def test_arms_by_name():
    assert (arm_of("text_area.max-drop-12.5").axis, arm_of("text_area.max-drop-12.5").share) == ("text_area.max", 12.5)
    assert arm_of("motion-drop-25-random").axis == "motion"
    assert arm_of("mine").axis == ""


def test_a_spoilt_video_is_plainly_worse():
    frames = np.stack([np.full((64, 48, 3), 10 * n, np.uint8) for n in range(8)])
    bad = spoilt(frames)
    assert bad.shape == frames.shape
    assert np.abs(np.diff(bad.astype(float), axis=2)).mean() > 20
    np.testing.assert_array_equal(bad, spoilt(frames))
