"""The paper's grid and its trainings, small: equal but for the clips, and nothing learned of what is held out."""

import shutil
from pathlib import Path

import pytest

from marey.catalog import Library, read_selection
from marey.errors import MareyError
from marey.recipe import Recipe
from marey.study.design import Design, folder_of, read
from marey.study.plan import Plan, carry_out, plan

SMALL = [
    "study.prompts=4",
    "study.random=true",
    "train.video.steps=4",
    "train.video.checkpoint_every=2",
    "generate.steps=2",
]


@pytest.fixture(scope="module")
def recipe(gone_road: Path) -> Recipe:
    return Recipe.open(gone_road / "tiny", SMALL)


@pytest.fixture(scope="module")
def studied(gone_road: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan, Design]:
    place = Path(shutil.copytree(gone_road / "library", tmp_path_factory.mktemp("study") / "library"))
    with Library.open(place, write=True) as store:
        planned = plan(store, recipe, device="cpu")
        return place, planned, carry_out(store, recipe, planned, device="cpu")


def test_the_arms_are_the_grid_and_all_clips(studied: tuple[Path, Plan, Design]):
    _, planned, design = studied
    names = ["motion-drop-25", "motion-drop-25-random", "motion-drop-50", "motion-drop-50-random"]
    assert [one.arm.name for one in planned.subsets] == ["unfiltered", *names]
    sizes = {one.arm.name: one.arm.clips for one in planned.subsets}
    assert sizes["unfiltered"] > sizes["motion-drop-25"] > sizes["motion-drop-50"] > 0
    assert sizes["motion-drop-50"] == sizes["motion-drop-50-random"]
    assert planned.steps == {"video": 4}
    assert design.families == [["unfiltered", *names]]
    assert len(design.prompts) == 4


def test_an_arm_learns_of_its_clips_alone_and_all_hold_out_the_same(studied: tuple[Path, Plan, Design]):
    path, planned, _ = studied
    with Library.open(path) as store:
        whole = {
            item: one.info for item, one in store.places(store.facts["encode/study-unfiltered"]["latents"]).items()
        }
        heldout = {item for item, info in whole.items() if info["split"] == "heldout"}
        for subset in planned.subsets:
            fact = store.facts[f"encode/{subset.selection}"]
            windows = store.places(fact["latents"])
            assert {item for item, one in windows.items() if one.info["split"] == "heldout"} == heldout
            assert all(one.info == whole[item] for item, one in windows.items()), "motion buckets and captions too"
            if subset.arm.axis:
                clips = set(read_selection(store, subset.arm.name).clips)
                learned = {one.info["clip"] for one in windows.values() if one.info["split"] == "train"}
                assert learned
                assert learned <= clips
                possible = {info["clip"] for info in whole.values() if info["split"] == "train"}
                assert learned == possible & clips
            assert fact["autoencoder"] == store.facts["encode/study-unfiltered"]["autoencoder"]


def test_arms_differ_by_their_clips_only(studied: tuple[Path, Plan, Design]):
    path, planned, _ = studied
    with Library.open(path) as store:
        prints = {one.arm.name: store.facts[f"model/{one.selection}"]["fingerprint"] for one in planned.subsets}
        weights = {
            (store.path / "models" / one.selection / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
            for one in planned.subsets
        }
    assert len(set(prints.values())) == len(prints)
    assert len(weights) == len(prints)


def test_a_second_time_nothing_is_made_again(studied: tuple[Path, Plan, Design], recipe: Recipe):
    path, planned, design = studied
    with Library.open(path, write=True) as store:
        files = [*(path / "models").rglob("*.safetensors"), *folder_of(store, "study").iterdir()]
        before = {file: file.stat().st_mtime_ns for file in files}
        shards = {row["shard"] for row in store.rows("select distinct shard from tensors")}
        assert plan(store, recipe, device="cpu") == planned
        assert carry_out(store, recipe, planned, device="cpu") == design
        assert {file: file.stat().st_mtime_ns for file in files} == before
        assert {row["shard"] for row in store.rows("select distinct shard from tensors")} == shards


def test_killed_between_two_arms_it_goes_on(studied: tuple[Path, Plan, Design], recipe: Recipe, tmp_path: Path):
    path, planned, design = studied
    place = Path(shutil.copytree(path, tmp_path / "library"))
    last = planned.subsets[-1].selection
    shutil.rmtree(place / "models" / last)
    shutil.rmtree(place / "runs" / last)
    shutil.rmtree(place / "runs" / "study")
    with Library.open(place, write=True) as store:
        first = place / "models" / planned.subsets[1].selection / "unet" / "diffusion_pytorch_model.safetensors"
        stamp = first.stat().st_mtime_ns
        del store.facts[f"model/{last}"], store.facts["study/study"]
        again = carry_out(store, recipe, plan(store, recipe, device="cpu"), device="cpu")
        assert first.stat().st_mtime_ns == stamp
        assert again == design
        for one in design.videos:
            name = f"{one.id}.mp4"
            assert (folder_of(store, "study") / name).read_bytes() == (path / "runs/study/samples" / name).read_bytes()


def test_a_footage_that_is_forgotten_leaves_no_video_of_it(studied: tuple[Path, Plan, Design], tmp_path: Path):
    from marey.catalog import forget

    path, _, design = studied
    place = Path(shutil.copytree(path, tmp_path / "library"))
    with Library.open(place, write=True) as store:
        clip = design.prompts[0].id.partition(":")[0]
        footage = store.one("select footage from clips where id = ?", clip)
        forget(store, footage["footage"])
        assert not list((place / "runs").glob("study*/samples/*.mp4"))
        with pytest.raises(MareyError, match="no study"):
            read(store, "study")
