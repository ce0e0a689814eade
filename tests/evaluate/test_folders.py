from pathlib import Path

import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate import evaluate_folders
from marey.evaluate.metrics import scores
from marey.media import probe, read, write_video
from marey.recipe import Evaluate

from .moving import texture

SETTINGS = Evaluate(resamples=100)


def footage(
    folder: Path, n: int = 6, noise: float = 0.0, frames: int = 5, side: int = 48, suffix: str = ".mp4"
) -> Path:
    folder.mkdir()
    wide = texture()
    rng = np.random.default_rng(0)
    for i in range(n):
        video = np.stack([wide[10 * i :, 40 + 3 * t :][:side, :side] for t in range(frames)])
        video = np.clip(video + noise * rng.normal(size=video.shape), 0, 255).astype(np.uint8)
        write_video(folder / f"one {i}{suffix}", video, 8, crf=1)
    return folder


def test_pairs_by_name(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real"), footage(tmp_path / "fake", noise=10)
    found = evaluate_folders(fake, real, SETTINGS)
    assert found.n == found.groups == 6
    first = [np.stack([f.rgb(None) for f in read(p, probe(p))]) for p in (fake / "one 0.mp4", real / "one 0.mp4")]
    assert found.windows[0]["id"] == "one 0"
    assert found.windows[0]["values"]["model"] == pytest.approx(scores(*first))
    assert found.row("frozen", "motion").value == 0.0
    assert found.row("truth", "motion").value > 1
    assert found.difference("psnr").verdict == "better"
    assert found.difference("psnr", against="drift") is None
    assert found.protocol["id"] == "marey/pairs-1"
    assert {row.subset for row in found.rows} == {"all"}


def test_the_truth_against_itself_is_at_the_cap(tmp_path: Path) -> None:
    real = footage(tmp_path / "real")
    assert evaluate_folders(real, real, SETTINGS).row("model", "psnr").value == 100.0


def test_all_frames_count_when_none_was_given(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real"), footage(tmp_path / "fake", noise=10)
    assert evaluate_folders(fake, real, SETTINGS, given=0).row("frozen", "psnr").value > 30, (
        "its first frame is the truth"
    )
    assert evaluate_folders(fake, real, SETTINGS).row("frozen", "psnr").value < 30


def test_a_distance_where_there_are_enough(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real", n=10), footage(tmp_path / "fake", n=10, noise=25)
    found = evaluate_folders(fake, real, Evaluate(resamples=100, frechet_least=8, frechet_dims=3))
    assert found.row("model", "frechet").id == "frechet/marey-td3"
    assert found.row("model", "frechet").value > 0.01
    assert evaluate_folders(fake, real, SETTINGS).absent[0]["metric"] == "frechet"


def test_what_has_no_partner_is_said(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real", n=6), footage(tmp_path / "fake", n=5, suffix=".mkv")
    (fake / "notes.txt").write_text("no video")
    found = evaluate_folders(fake, real, SETTINGS)
    assert found.n == 5
    assert any("1 videos in" in note and "one 5" in note for note in found.notes)


def test_a_longer_partner_is_cut_and_said(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real", frames=8), footage(tmp_path / "fake", frames=5)
    found = evaluate_folders(fake, real, SETTINGS)
    assert found.protocol["frames"] == 5
    assert any("has 8 frames, its partner 5" in note for note in found.notes)


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    real, small = footage(tmp_path / "real", n=1), footage(tmp_path / "small", n=1, side=32)
    with pytest.raises(MareyError, match=r"32x32.*48x48"):
        evaluate_folders(small, real, SETTINGS)
    with pytest.raises(MareyError, match="not a folder"):
        evaluate_folders(tmp_path / "nowhere", real, SETTINGS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MareyError, match="makes a pair"):
        evaluate_folders(tmp_path / "empty", real, SETTINGS)
    (real / "one 0.webm").write_bytes(b"")
    with pytest.raises(MareyError, match="two videos called 'one 0'"):
        evaluate_folders(small, real, SETTINGS)
