"""What is published: tables that others open, a card that says whose footage it is, and nothing half written."""

import sys
from pathlib import Path

import pytest
from pyarrow import parquet

sys.path.insert(0, str(Path(__file__).parent))

from made_library import add_clip, add_footage, group, new

import marey.errors
from marey.catalog import publish, select
from marey.errors import MissingExtra
from marey.recipe import Select


@pytest.fixture
def library(tmp_path):
    with new(tmp_path) as library:
        add_footage(
            library, "f1", path="/home/someone/a | <b>.mp4", license="CC0", source="https://example.org/a", credit="Ann"
        )
        add_footage(library, "f2", path=r"C:\films\b.mp4", license="CC BY 3.0", credit="Bo")
        add_clip(
            library,
            "c1",
            "f1",
            {
                "motion": 2.5,
                "fps": 24.0,
                "text_area": {"value": 0.1, "data": [0.1]},
                "phash": {"data": '"ff00"'},
                "duplicate_group": group("g"),
            },
        )
        add_clip(library, "c2", "f2", {"motion": 1.0, "text_area": {"status": "missing", "reason": "no ocr"}})
        add_clip(library, "c3", "f2", status="rejected", reason=r"C:\films\b.mp4 is too short")
        library.put("captions", [{"clip": "c1", "captioner": "facts", "version": "1", "text": "a video"}])
        library.put("captions", [{"clip": "c1", "captioner": "file", "version": "1", "text": "a cat, ü"}])
        library.put("captions", [{"clip": "c2", "captioner": "facts", "version": "1", "text": "", "status": "failed"}])
        select(library, Select(name="good", min={"motion": 2.0}))
        yield library


def test_the_full_table(library):
    published = publish(library)
    assert (published.clips, published.clip_files) == (3, 0)
    rows = {row["clip"]: row for row in parquet.read_table(library.path / "tables" / "catalog.parquet").to_pylist()}
    assert rows.keys() == {"c1", "c2", "c3"}
    one = rows["c1"]
    assert (one["motion"], one["fps"], one["signal_fps"], one["phash"]) == (2.5, 24.0, 24.0, '"ff00"')
    assert (one["text_area"], one["text_area_data"]) == (0.1, "[0.1]")
    assert (one["caption"], one["caption_facts"], one["caption_file"]) == ("a cat, ü", "a video", "a cat, ü")
    assert (one["selections"], rows["c2"]["selections"]) == (["good"], [])
    assert (one["license"], one["credit"], one["footage_name"]) == ("CC0", "Ann", "a | <b>.mp4")
    assert rows["c2"]["text_area"] is None
    assert rows["c2"]["caption"] is None
    assert (rows["c3"]["status"], rows["c3"]["reason"]) == ("rejected", "b.mp4 is too short")


def test_no_path_of_this_machine_is_published(library):
    publish(library)
    for name in ("tables/catalog.parquet", "metadata.parquet"):
        text = str(parquet.read_table(library.path / name).to_pylist())
        assert "someone" not in text
        assert "films" not in text
    assert "someone" not in (library.path / "README.md").read_text(encoding="utf-8")


def test_file_names_are_those_of_clips_that_exist_as_files(library):
    publish(library)
    assert parquet.read_table(library.path / "metadata.parquet").num_rows == 0
    (library.path / "clips" / "c1").mkdir(parents=True)
    (library.path / "clips" / "c1" / "c1.mp4").touch()
    (library.path / "clips" / "stranger.mp4").touch()
    assert publish(library).clip_files == 1
    (row,) = parquet.read_table(library.path / "metadata.parquet").to_pylist()
    assert (row["file_name"], row["clip"], row["caption"]) == ("clips/c1/c1.mp4", "c1", "a cat, ü")


def test_the_card_names_every_licence_source_and_credit(library):
    publish(library)
    card = (library.path / "README.md").read_text(encoding="utf-8")
    header, _, body = card.removeprefix("---\n").partition("---\n")
    assert "license: other\n" in header  # for there are two
    assert '- "tables/catalog.parquet"' in header
    assert "usable clips: 2, " in body
    assert "other clips: 1" in body
    assert "| a &#124; &lt;b&gt;.mp4 | video | CC0 | Ann | https://example.org/a | ok |" in body
    assert "| b.mp4 | video | CC BY 3.0 | Bo |  | ok |" in body
    assert "| CC0 | 1 |" in body
    assert "| text_area |  | high | 1 | 1 |" in body
    assert "| good | 1 |" in body


def test_a_licence_that_all_share_is_the_cards(library):
    library.put("footage", [{"id": name, "license": "CC BY 3.0"} for name in ("f1", "f2")])
    publish(library)
    assert "license: cc-by-3.0\n" in (library.path / "README.md").read_text(encoding="utf-8")


def test_an_empty_library_can_be_published(tmp_path):
    with new(tmp_path) as library:
        assert publish(library).clips == 0
        assert parquet.read_table(library.path / "tables" / "catalog.parquet").num_rows == 0


def test_a_failure_in_between_leaves_the_old_tables(library, monkeypatch):
    publish(library)
    before = {path: path.read_bytes() for path in library.path.rglob("*.parquet")}
    add_clip(library, "c4", "f1")

    def fail(table, path):
        Path(path).write_bytes(b"half a table")
        raise OSError("the disk is gone")

    monkeypatch.setattr(parquet, "write_table", fail)
    with pytest.raises(OSError, match="disk is gone"):
        publish(library)
    assert {path: path.read_bytes() for path in library.path.rglob("*.parquet")} == before
    assert not list(library.path.rglob("*.tmp"))


def test_without_pyarrow_it_is_one_sentence(library, monkeypatch):
    def none(module):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(marey.errors, "import_module", none)
    with pytest.raises(MissingExtra, match=r'pip install "marey\[parquet\]"'):
        publish(library)
    assert not (library.path / "tables").exists()
