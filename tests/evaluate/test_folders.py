import dataclasses
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from counting import counted

from marey.errors import MareyError
from marey.evaluate import evaluate_folders, folders, ranked, scoring
from marey.evaluate.distances import DISTANCES
from marey.evaluate.metrics import CONTINUATION, scores
from marey.evaluate.models import Models
from marey.evaluate.pairing import Job
from marey.evaluate.protocols import PROTOCOLS
from marey.evaluate.reservoir import FeatureSet
from marey.evaluate.sets import planned, unpacked
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
    kept = found.windows[0]["values"]["model"]
    assert {name: kept[name] for name in CONTINUATION} == pytest.approx(scores(*first))
    assert found.row("loop", "motion").value > 1
    assert found.row("frozen", "motion").value == 0.0
    assert found.row("truth", "motion").value > 1
    assert found.difference("psnr").verdict == "better"
    assert found.difference("psnr", against="drift") is None
    assert found.protocol["id"] == "marey/pairs-2"
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
    few = Evaluate(resamples=100, frechet_least=8)
    found = evaluate_folders(fake, real, few)
    assert found.row("model", "frechet").id.endswith("on frechet/marey-td")
    assert found.row("model", "frechet").value > 0.01
    assert found.row("truth", "frechet") is None
    assert evaluate_folders(real, real, few).row("model", "frechet").value == pytest.approx(0, abs=1e-6)
    assert any(gap["metric"] == "frechet" for gap in evaluate_folders(fake, real, SETTINGS).absent)
    with pytest.raises(MareyError, match="distance of two sets"):
        evaluate_folders(fake, None, few, metrics=["frechet"])


def test_the_distance_is_that_of_the_features_at_hand(tmp_path: Path) -> None:
    """What the pass gathers frame by frame is what the protocol makes of whole videos in memory; also without pairs."""
    real, fake = footage(tmp_path / "real", n=9), footage(tmp_path / "fake", n=8, noise=25)
    for path in sorted(fake.iterdir()):
        path.rename(fake / f"made {path.name}")
    found = evaluate_folders(fake, real, Evaluate(resamples=100, frechet_least=4), metrics=["frechet", "kvd"])
    protocol = PROTOCOLS["frechet/marey-td"]
    backbone = protocol.open()
    states = []
    for folder in (fake, real):
        state = FeatureSet(backbone.d, backbone=backbone.id, sha256=backbone.sha256, protocol=protocol.id)
        for path in sorted(folder.iterdir()):
            video = np.stack([frame.rgb(None) for frame in read(path, probe(path))])
            name = path.stem if folder == fake else f"true/{path.stem}"
            state.update(backbone.features(protocol.clip(video, 8, id=path.stem)), [path.stem], [name])
        states.append(state)
    for name in ("frechet", "kvd"):
        row, told = found.row("model", name), DISTANCES[name](*states)
        assert row.value == pytest.approx(told.plain, rel=1e-9)
        assert row.corrected == pytest.approx(told.interval.value, rel=1e-9)
        assert row.n == told.interval.n
    assert found.row("frozen", "frechet").value > 0


def test_a_protocol_draws_its_clips_in_the_pass(tmp_path: Path) -> None:
    """16 frames of each: what the network is shown is what the protocol draws from the whole of each video, although
    the true ones are longer."""
    torch = pytest.importorskip("torch")

    class Means(torch.nn.Module):
        def forward(self, clips):
            return clips.mean(dim=(3, 4)).flatten(1)[:, :20]

    file = tmp_path / "means.pt"
    torch.jit.trace(Means(), torch.zeros(1, 3, 16, 8, 8)).save(str(file))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    real, fake = footage(tmp_path / "real", n=6, frames=24), footage(tmp_path / "fake", n=6, frames=18, noise=9)
    made = dataclasses.replace(PROTOCOLS["fvd/tats-128"], id="test/means", backbone="torchscript", shape="as it is")
    with mock.patch.dict(PROTOCOLS, {"test/means": made}):
        plan = planned(["frechet"], "test/means", file, digest, ["one 0"], ["one 0"])
        row = scoring.score(Job("one 0", fake / "one 0.mp4", real / "one 0.mp4"), ["psnr"], Models(), given=1,
                            baselines=True, plan=plan)  # fmt: skip
        held = {method: unpacked(rows)["one 0"] for method, rows in row["sets"][plan.stamp].items()}
        assert set(held) == {"model", "truth", "frozen", "loop"}
        video = np.stack([frame.rgb(None) for frame in read(real / "one 0.mp4", probe(real / "one 0.mp4"))])
        whole = made.open(file, sha256=digest).features(made.clip(video, 8, id="one 0", side="real"))
        assert held["truth"] == pytest.approx(whole)
        assert not np.allclose(held["model"], whole)
        found = evaluate_folders(fake, real, SETTINGS, metrics=["frechet"], protocol="test/means", weights=file,
                                 sha256=digest)  # fmt: skip
    assert found.backbones["frechet"] == digest
    assert found.row("model", "frechet").value > 0
    assert any("2048" in note for note in found.notes), "so few clips compare with no published number"


def test_what_has_no_partner_is_said(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real", n=6), footage(tmp_path / "fake", n=5, suffix=".mkv")
    (fake / "notes.txt").write_text("no video")
    found = evaluate_folders(fake, real, SETTINGS)
    assert found.n == 5
    assert any("1 true video has no partner" in note and "one 5" in note for note in found.notes)


def test_a_longer_partner_is_cut_and_said(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real", frames=8), footage(tmp_path / "fake", frames=5)
    found = evaluate_folders(fake, real, SETTINGS)
    assert found.protocol["frames"] == 5
    assert any("has 8 frames: the first 5 were compared" in note for note in found.notes)


def test_another_size_is_brought_to_the_truths(tmp_path: Path) -> None:
    real, wide = footage(tmp_path / "real"), footage(tmp_path / "wide", side=96)
    found = evaluate_folders(wide, real, SETTINGS)
    assert found.n == 6
    assert any("96x96 pixels were brought to the truth's 48x48" in note for note in found.notes)
    assert found.windows[0]["values"]["model"]["psnr"] < 40, "a wider view of the scene is another picture"


def test_another_rate_is_paired_by_time(tmp_path: Path) -> None:
    """Every second frame at half the rate is the same video, and is found to be."""
    real, half = footage(tmp_path / "real", n=1, frames=9), tmp_path / "half"
    half.mkdir()
    true = np.stack([f.rgb(None) for f in read(real / "one 0.mp4", probe(real / "one 0.mp4"))])
    write_video(half / "one 0.mp4", true[::2], 4, crf=1)
    found = evaluate_folders(half, real, SETTINGS, metrics=["psnr"])
    assert any("paired by time" in note for note in found.notes)
    assert found.windows[0]["frames"] == 5
    assert found.row("model", "psnr").value > 38
    write_video(half / "one 0.mp4", true[1::2], 4, crf=1)
    assert evaluate_folders(half, real, SETTINGS, metrics=["psnr"]).row("model", "psnr").value < 35


def test_broken_videos_are_told_and_the_others_go_on(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real"), footage(tmp_path / "fake", noise=10)
    (fake / "one 1.mp4").write_bytes(b"no video at all, but some text")
    (fake / "one 2.mp4").write_bytes(b"")
    (real / "one 3.mp4").write_bytes((real / "one 3.mp4").read_bytes()[:300])
    found = evaluate_folders(fake, real, SETTINGS)
    assert found.n == 3
    told = {one["id"]: one for one in found.failed}
    assert set(told) == {"one 1", "one 2", "one 3"}
    assert all(one["status"] in ("failed", "rejected") and one["reason"] for one in told.values())
    assert "it is text" in told["one 1"]["reason"]
    assert "one 3" in told["one 3"]["reason"]
    whole = evaluate_folders(fake, real, SETTINGS).windows
    assert [one["id"] for one in whole] == ["one 0", "one 4", "one 5"]


def test_nothing_to_score_is_an_error(tmp_path: Path) -> None:
    real = footage(tmp_path / "real", n=1)
    with pytest.raises(MareyError, match="is not there"):
        evaluate_folders(tmp_path / "nowhere", real, SETTINGS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MareyError, match="no video"):
        evaluate_folders(tmp_path / "empty", real, SETTINGS)
    (real / "one 0.webm").write_bytes(b"")
    with pytest.raises(MareyError, match="two videos called 'one 0'"):
        evaluate_folders(real, real, SETTINGS)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "one 0.mp4").write_bytes(b"text")
    with pytest.raises(MareyError, match="could be scored"):
        evaluate_folders(tmp_path / "bad", None, SETTINGS)


def test_each_video_is_decoded_once_for_all_metrics(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real", n=3), footage(tmp_path / "fake", n=3, noise=10)
    with counted() as count:
        evaluate_folders(fake, real, SETTINGS, metrics=["psnr", "ssim", "movement", "flicker", "frechet"])
    assert count.pictures == 2 * 3 * 5, "five frames of three videos of two folders"
    assert count.seeks == 0


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = footage(tmp_path / "real"), footage(tmp_path / "fake", noise=10)
    whole = evaluate_folders(fake, real, SETTINGS, out=tmp_path / "whole")
    stopped = tmp_path / "stopped"
    seen: list[str] = []
    plain = scoring.score

    def breaking(job, *words, **named):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(job.name)
        return plain(job, *words, **named)

    monkeypatch.setattr(folders, "score", breaking)
    with pytest.raises(KeyboardInterrupt):
        evaluate_folders(fake, real, SETTINGS, out=stopped)
    with (stopped / "videos.jsonl").open("a") as file:
        file.write('{"key": "torn')  # what a kill in the middle of a write leaves
    seen.clear()
    monkeypatch.setattr(folders, "score", lambda job, *w, **n: (seen.append(job.name), plain(job, *w, **n))[1])
    again = evaluate_folders(fake, real, SETTINGS, out=stopped)
    assert seen == ["one 3", "one 4", "one 5"]
    assert (stopped / "record.json").read_bytes() == (tmp_path / "whole" / "record.json").read_bytes()
    assert again == whole
    seen.clear()
    more = evaluate_folders(fake, real, SETTINGS, out=stopped, metrics=["psnr", "looks"])
    assert len(seen) == 6, "another metric needs another look"
    assert {row.metric for row in more.rows} == {"psnr", "looks"}, "what else is known does not get into the record"
    seen.clear()
    assert evaluate_folders(fake, real, SETTINGS, out=stopped, metrics=["psnr", "looks"]) == more
    assert not seen


def test_shards_merge_to_the_same(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real"), footage(tmp_path / "fake", noise=10)
    whole = evaluate_folders(fake, real, SETTINGS, out=tmp_path / "whole")
    parts = [evaluate_folders(fake, real, SETTINGS, out=tmp_path / "parts", shard=(n, 2)) for n in range(2)]
    assert sum(part.n for part in parts) == 6
    assert min(part.n for part in parts) > 0
    assert not (tmp_path / "parts" / "record.json").exists()
    before = sorted((tmp_path / "parts").iterdir())
    assert evaluate_folders(fake, real, SETTINGS, out=tmp_path / "parts") == whole
    assert (tmp_path / "parts" / "videos.jsonl").stat().st_size == 0, "no video was looked at again"
    assert len(before) == 2


def test_by_themselves_and_without_a_common_name(tmp_path: Path) -> None:
    fake = footage(tmp_path / "fake", n=5)
    alone = evaluate_folders(fake, None, SETTINGS)
    assert alone.protocol["id"] == "marey/videos-1"
    assert {gap["metric"] for gap in alone.absent} >= {"psnr", "ssim", "flow_error", "frechet"}
    assert alone.row("frozen", "motion").value == 0
    assert alone.row("frozen", "flicker").value == alone.row("frozen", "background_consistency").value == 1
    with pytest.raises(MareyError, match="psnr cannot be computed"):
        evaluate_folders(fake, None, SETTINGS, metrics=["psnr"])
    other = footage(tmp_path / "other", n=6)
    for path in sorted(other.iterdir()):
        path.rename(other / f"real {path.name}")
    both = evaluate_folders(fake, other, SETTINGS)
    assert both.row("model", "motion").n == 5
    assert both.row("truth", "motion").n == 6
    assert both.row("frozen", "flicker").value == 1


def test_lists_and_texts(tmp_path: Path) -> None:
    real, fake = footage(tmp_path / "real", n=4), footage(tmp_path / "fake", n=4, noise=10)
    names = [path.name for path in sorted(fake.iterdir())]
    (fake / "some.txt").write_text("\n".join(names[:3]))
    (real / "named.json").write_text(json.dumps({f"one {n}": name for n, name in enumerate(names)}))
    (tmp_path / "texts.json").write_text(json.dumps({"one 0": "a cat", "one 1": "a cat", "one 2": "a dog"}))
    found = evaluate_folders(fake / "some.txt", real / "named.json", SETTINGS, texts=tmp_path / "texts.json")
    assert found.n == 3
    assert found.groups == 2, "videos of one text are no independent witnesses"


def test_consistency_never_stands_without_motion(tmp_path: Path) -> None:
    fake = footage(tmp_path / "fake", n=2)
    found = evaluate_folders(fake, None, SETTINGS, metrics=["flicker"])
    assert {row.metric for row in found.rows} == {"flicker", "motion"}
    assert {row.method for row in found.rows} == {"model", "frozen", "loop"}


def test_records_of_other_kinds_refuse_to_be_ranked(tmp_path: Path) -> None:
    real = footage(tmp_path / "real", n=3)
    noisy = evaluate_folders(footage(tmp_path / "a", n=3, noise=20), real, SETTINGS)
    clean = evaluate_folders(footage(tmp_path / "b", n=3, noise=4), real, SETTINGS)
    fewer = evaluate_folders(footage(tmp_path / "c", n=2, noise=4), real, SETTINGS)
    other = evaluate_folders(tmp_path / "b", real, SETTINGS, given=0)

    def of(found, metric="psnr"):
        return next(r for r in found.records() if (r.method, r.metric) == ("model", metric))

    assert ranked([of(noisy), of(clean)]) == [of(clean), of(noisy)]
    for one, what in ((of(fewer), "data"), (of(other), "protocol"), (of(clean, "ssim"), "id")):
        with pytest.raises(MareyError, match=what):
            ranked([of(noisy), one])
    with pytest.raises(MareyError, match="near truth"):
        ranked([of(noisy, "motion"), of(clean, "motion")])
    with pytest.raises(MareyError, match="backbone"):
        ranked([of(noisy), replace(of(clean), backbone="0" * 64)])
