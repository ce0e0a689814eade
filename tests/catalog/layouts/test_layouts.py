"""Each layout, read back with the reader it is for where that can be installed, else against its documented format."""

import csv
import json
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_footage import numbers, small, tree

from marey.catalog import LAYOUTS, export
from marey.catalog.layouts.diffusion_pipe import repeated
from marey.catalog.layouts.layout import frame_bucket
from marey.media import probe
from marey.recipe import Export

CLIPS = ["aa", "bb", "dd", "ee"]
FRAMES = {"aa": list(range(3, 30)), "bb": list(range(30, 50))}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """One export a layout, by name; `trainer` is where the trainer will see it."""
    place = tmp_path_factory.mktemp("exports")
    with small(place) as library:
        for layout in LAYOUTS:
            export(library, place / layout, Export(layout=layout, caption="heaviest"), selection="hq")
    return {layout: place / layout for layout in LAYOUTS}


def test_the_folder_opens_as_a_hugging_face_data_set(exported, tmp_path):
    from datasets import Video, load_dataset

    folder = exported["folder"]
    data = load_dataset(str(folder), cache_dir=str(tmp_path))["train"]
    assert isinstance(data.features["video"], Video)
    rows = {row["clip"]: row for row in data.cast_column("video", Video(decode=False))}
    assert sorted(rows) == CLIPS
    for clip, row in rows.items():
        path = folder / "clips" / f"{clip}.mp4"
        assert Path(row["video"]["path"]).name == path.name
        assert (row["frames"], row["width"], row["height"]) == (
            probe(path).frames, probe(path).width, probe(path).height,
        )  # fmt: skip
        assert row["fps"] == pytest.approx(probe(path).fps, abs=0.01)
    one = rows["aa"]
    assert one["caption"] == one["caption_image"] == "an image"
    assert one["caption_merged"] == "both, ü"
    assert json.loads(one["caption_weights"]) == {"image": 0.5, "video": 0.25, "merged": 0.25}
    assert (one["motion"], one["license"], one["credit"]) == (1.0, "CC0", "Ann")
    assert rows["dd"]["text_area"] == 0.01
    assert rows["bb"]["motion_bucket"] > rows["aa"]["motion_bucket"]
    assert rows["dd"]["motion_bucket"] == rows["ee"]["motion_bucket"]  # they move alike
    assert (folder / "clips" / "aa.txt").read_text(encoding="utf-8") == "an image\n"


def test_webdataset_reads_every_sample_from_shards_by_size_and_length(exported, tmp_path):
    import webdataset

    folder = exported["webdataset"]
    index = json.loads((folder / "shards.json").read_text())
    seen = {}
    for row in index:
        assert row["file"] == f"shards/{row['width']}x{row['height']}x{row['frames']}-000000.tar"
        samples = list(webdataset.WebDataset(str(folder / row["file"]), shardshuffle=False))
        assert len(samples) == row["samples"]
        for sample in samples:
            told = json.loads(sample["json"])
            assert sample["__key__"] == told["clip"]
            assert (told["width"], told["height"]) == (row["width"], row["height"])
            assert frame_bucket(told["frames"], Export().frames) == row["frames"]
            assert sample["txt"].decode() == told["caption"]
            assert {"fps", "motion", "motion_bucket", "captions", "caption_weights", "license"} <= told.keys()
            (tmp_path / "clip.mp4").write_bytes(sample["mp4"])
            seen[told["clip"]] = numbers(tmp_path / "clip.mp4")
    assert sorted(seen) == CLIPS
    assert {clip: seen[clip] for clip in FRAMES} == FRAMES
    assert not list(folder.rglob("*.mp4"))  # they are in the shards, and nowhere else


def test_webdataset_shards_hold_nothing_of_this_machine_and_no_more_than_asked(tmp_path):
    with small(tmp_path) as library:
        whole = export(library, tmp_path / "one", Export(layout="webdataset"), selection="hq")
        again = export(library, tmp_path / "two", Export(layout="webdataset"), selection="hq")
        many = export(library, tmp_path / "many", Export(layout="webdataset", shard_megabytes=0.001), selection="hq")
    shards = [
        {name: data for name, data in tree(tmp_path / place).items() if name.endswith(".tar")}
        for place in ("one", "two")
    ]
    assert shards[0] == shards[1]
    assert whole.files == again.files
    assert sum(name.endswith(".tar") for name in many.files) == 4
    for path in (tmp_path / "one").rglob("*.tar"):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
        for member in members:
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")


def test_the_hub_reads_the_shards_as_well(exported, tmp_path):
    from datasets import Features, Value, load_dataset

    folder = exported["webdataset"]
    data = load_dataset(str(folder), cache_dir=str(tmp_path), streaming=True)["train"]
    assert isinstance(data.features, Features)
    assert data.features["txt"] == Value("string")
    assert data.features["json"]["motion_bucket"] == Value("int64")


def test_finetrainers_opens_its_folder_as_videos_with_captions(exported, tmp_path):
    """With a metadata.jsonl in the root it calls load_dataset("videofolder", data_dir=root) and takes `video` and
    `caption`."""
    from datasets import Video, load_dataset

    folder = exported["finetrainers"]
    data = load_dataset("videofolder", data_dir=str(folder), split="train", cache_dir=str(tmp_path))
    rows = list(data.cast_column("video", Video(decode=False)))
    assert sorted(Path(row["video"]["path"]).stem for row in rows) == CLIPS
    assert {row["clip"]: row["caption"] for row in rows}["aa"] == "an image"
    assert all(row["motion_bucket"] >= 0 and row["fps"] > 0 and row["license"] for row in rows)
    (configuration,) = json.loads((folder / "dataset_config.json").read_text())["datasets"]
    assert configuration["data_root"] == folder.as_posix()
    assert configuration["dataset_type"] == "video"
    for frames, height, width in configuration["video_resolution_buckets"]:
        assert frames in Export().frames
        assert height % 32 == width % 32 == 0
    assert [name for name in ("metadata.json", "metadata.csv", "prompts.txt") if (folder / name).exists()] == []


def test_diffusion_pipe_has_lists_of_captions_by_file_name(exported):
    """Its folder is read without those below; .json and .txt are passed over, all else must be media."""
    folder = exported["diffusion-pipe"]
    table = tomllib.loads((folder / "dataset.toml").read_text())
    (directory,) = table["directory"]
    clips = Path(directory["path"])
    assert clips == folder / "clips"
    captions = json.loads((clips / "captions.json").read_text(encoding="utf-8"))
    media = [path for path in clips.iterdir() if path.suffix not in (".txt", ".json")]
    assert sorted(captions) == sorted(path.name for path in media) == [f"{clip}.mp4" for clip in CLIPS]
    assert captions["aa.mp4"] == ["an image", "an image", "both, ü", "a video of something"]
    assert table["enable_ar_bucket"] is True
    assert table["min_ar"] <= 0.6 < 1.33 <= table["max_ar"]
    assert set(table["frame_buckets"]) == {1, 17, 25}
    assert table["resolutions"][0] % 16 == 0
    rest = [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["clip"]: row["fps"] for row in rest}["dd"] == 30.0


def test_captions_are_repeated_by_their_weights():
    said = {"image": "a", "video": "b", "merged": "c"}
    assert repeated(said, {"image": 0.5, "video": 0.25, "merged": 0.25}) == ["a", "a", "b", "c"]
    assert repeated(said, {"image": 2 / 3, "video": 1 / 3}) == ["a", "a", "b"]
    assert repeated(said, {"merged": 1.0}) == ["c"]
    assert repeated(said, {"image": 0.98, "video": 0.02}).count("a") > 6
    assert repeated({}, {}) == [""]


def test_musubi_tuner_has_a_list_for_each_rate(exported):
    folder = exported["musubi-tuner"]
    table = tomllib.loads((folder / "dataset.toml").read_text())
    assert all(side % 16 == 0 for side in table["general"]["resolution"])
    seen = {}
    for one in table["datasets"]:
        assert set(one) <= {"video_jsonl_file", "cache_directory", "source_fps", "target_frames", "frame_extraction"}
        assert isinstance(one["source_fps"], float)
        assert all(length % 4 == 1 for length in one["target_frames"])
        for line in Path(one["video_jsonl_file"]).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            assert probe(row["video_path"]).fps == pytest.approx(one["source_fps"], abs=0.01)
            assert row["frames"] >= min(one["target_frames"])
            seen[row["clip"]] = row["caption"]
    assert len({one["cache_directory"] for one in table["datasets"]}) == len(table["datasets"]) == 2
    assert sorted(seen) == CLIPS
    assert seen["aa"] == "an image"


def test_open_sora_has_its_columns(exported):
    with (exported["open-sora"] / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:8] == ["path", "text", "num_frames", "height", "width", "aspect_ratio", "resolution", "fps"]
    assert sorted(row["clip"] for row in rows) == CLIPS
    for row in rows:
        found = probe(row["path"])
        assert (int(row["num_frames"]), int(row["height"]), int(row["width"])) == (
            found.frames, found.height, found.width,
        )  # fmt: skip
        assert float(row["aspect_ratio"]) == pytest.approx(found.height / found.width, abs=1e-5)
        assert int(row["resolution"]) == found.height * found.width
        assert json.loads(row["caption_weights"])["image"] == 0.5


def test_videox_fun_has_a_list_of_paths_inside_the_folder(exported):
    folder = exported["videox-fun"]
    rows = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    assert sorted(row["clip"] for row in rows) == CLIPS
    for row in rows:
        assert row["type"] == "video"
        assert probe(folder / row["file_path"]).frames == row["frames"]
        assert row["text"] == row["caption"]


def test_whole_paths_are_those_that_the_trainer_will_see(tmp_path):
    with small(tmp_path) as library:
        for layout in ("open-sora", "musubi-tuner", "diffusion-pipe", "finetrainers"):
            export(library, tmp_path / layout, Export(layout=layout, root="/data/set/"), selection="hq")
            texts = [
                data.decode() for name, data in tree(tmp_path / layout).items()
                if name.endswith((".csv", ".toml", ".jsonl", "dataset_config.json"))
            ]  # fmt: skip
            assert any("/data/set" in text for text in texts)
            assert not any(str(tmp_path) in text for text in texts)
