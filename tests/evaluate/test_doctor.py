import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from marey.cli import app
from marey.evaluate import backbones, distances, moments
from marey.evaluate import doctor as run
from marey.evaluate.backbones import BACKBONES, Backbone
from marey.evaluate.doctor import GOLDEN, Report, golden_clip, prepared
from marey.evaluate.resize import resize_as_torch


@pytest.fixture(scope="module")
def report() -> Report:
    return run()


def failed(found: Report) -> set[str]:
    return {check.name for check in found.checks if check.status == "failed"}


def test_this_installation_is_in_order(report: Report) -> None:
    assert report.ok, str(report)
    assert not any(check.status == "missing" for check in report.checks)
    assert len(report.checks) > 15
    assert len(report.digest) == 64
    assert report.versions["numpy"] == np.__version__


def test_the_verb_says_the_same_beside_the_videos(report: Report) -> None:
    found = CliRunner().invoke(app, ["evaluate", "doctor", "--json"])
    assert found.exit_code == 0, found.output
    table = json.loads(found.stdout)
    assert [check["name"] for check in table["checks"]] == [check.name for check in report.checks]
    assert {check["status"] for check in table["checks"]} == {"ok"}


def test_the_golden_clip_is_whole_numbers_alone() -> None:
    clip = golden_clip()
    assert clip.dtype == np.uint8
    assert clip.shape == (12, 48, 64, 3)
    assert int(clip.astype(np.int64).sum()) == 12435702
    assert (clip[0] != clip[1]).any()


def test_a_wrong_feature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = backbones.features
    monkeypatch.setattr(backbones, "features", lambda clip, given: right(clip, given=given) * (1 + 1e-5))
    assert "features marey-td" in failed(run())


def test_a_wrong_distance_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    roots = moments._roots
    monkeypatch.setattr(moments, "_roots", lambda table: roots(table) * (1 + 1e-7))
    assert "Frechet of Gaussians" in failed(run())
    monkeypatch.undo()
    monkeypatch.setitem(
        distances.DISTANCES, "kvd", replace(distances.DISTANCES["kvd"], compute=distances.DISTANCES["rbf"].compute)
    )
    assert failed(run()) == {"KVD over pairs"}


def test_a_wrong_resize_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"resize_as_torch": lambda picture, size, antialias: resize_as_torch(picture, size, antialias=False)}
    monkeypatch.setattr("marey.evaluate.protocols.resize_as_torch", other["resize_as_torch"])
    found = failed(run())
    assert "prepared fvd/cdfvd-i3d-128" in found
    assert "prepared fvd/tats-128" not in found, "which does not antialias"


def test_a_published_number_is_asked_of_real_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def opens(scale: float) -> None:
        step = scale * np.sqrt(151.26 / 400) / 255
        fake = Backbone("i3d", "", 400, "clip", 10, lambda clip: np.full((1, 400), clip.mean() * step))
        monkeypatch.setitem(BACKBONES, "i3d", replace(BACKBONES["i3d"], open=lambda *_: fake))

    opens(1.0)
    assert run(tmp_path / "i3d.pt").checks[-1].status == "ok"
    opens(1.1)
    assert failed(run(tmp_path / "i3d.pt")) == {"published black to white"}
    monkeypatch.undo()
    (tmp_path / "i3d.pt").write_text("no")
    last = run(tmp_path / "i3d.pt").checks[-1]
    assert last.status == "failed"
    assert "not opened" in last.detail


def test_the_fixtures_are_of_all_that_is_registered() -> None:
    names = set(json.loads(GOLDEN.read_text()))
    assert names == {"marey-td", "i3d-400", "inception", "videomae-g", *prepared()}
