"""A head fitted to votes: it finds a hidden taste, says how sure it is, and finds nothing where there is nothing."""

from pathlib import Path

import numpy as np
import pytest

from marey.catalog import Library
from marey.curate.measures import MEASURES
from marey.curate.measures.preference import Preference as Measure
from marey.errors import MareyError
from marey.recipe import Models
from marey.signals.embedding import LITE
from marey.signals.given import resolve
from marey.signals.preference import Preference, save_head
from marey.study.design import read
from marey.study.rehearse import rehearse
from marey.study.scorer import Comparisons, fit, learn
from marey.study.votes import told

ARMS, PROMPTS, WIDTH = 5, 60, 300


def tasted(seed: int, strength: float = 2.0, votes: int = 3) -> tuple[np.ndarray, Comparisons, np.ndarray]:
    """Videos as vectors with a few main directions, and votes by people who like one of these."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(12, WIDTH)) / np.sqrt(WIDTH)
    content = np.repeat(rng.normal(0, 3, (PROMPTS, 12)), ARMS, axis=0)  # what a prompt shows, whatever the arm
    features = (content + rng.normal(size=(PROMPTS * ARMS, 12))) @ basis + rng.normal(0, 0.02, (PROMPTS * ARMS, WIDTH))
    taste = rng.normal(size=12)
    likes = (features @ np.linalg.pinv(basis)) @ (strength * taste / np.linalg.norm(taste))
    prompt = np.repeat(np.arange(PROMPTS), ARMS * (ARMS - 1) // 2 * votes)
    a, b = np.triu_indices(ARMS, 1)
    left = prompt * ARMS + np.tile(np.repeat(a, votes), PROMPTS)
    right = prompt * ARMS + np.tile(np.repeat(b, votes), PROMPTS)
    turned = rng.random(len(left)) < 0.5
    left, right = np.where(turned, right, left), np.where(turned, left, right)
    score = (rng.random(len(left)) < 1 / (1 + np.exp(likes[right] - likes[left]))).astype(float)
    score[rng.random(len(score)) < 0.1] = 0.5
    return features, Comparisons(left, right, score, prompt), likes


def test_it_finds_a_hidden_taste_and_knows_how_sure_it_is():
    features, votes, likes = tasted(1)
    learned = fit(features, votes)
    assert learned.auroc > 0.85
    assert learned.right_low > 0.7
    assert learned.brier < 0.17
    assert learned.ece < 0.06
    assert learned.useful
    scores = (features - learned.mean) @ learned.weight
    assert np.corrcoef(scores - likes, likes)[0, 1] < 0.5
    within = (scores - likes).reshape(PROMPTS, ARMS)
    assert (
        np.corrcoef(
            (scores.reshape(PROMPTS, ARMS) - scores.reshape(PROMPTS, ARMS).mean(1, keepdims=True)).ravel(),
            (likes.reshape(PROMPTS, ARMS) - likes.reshape(PROMPTS, ARMS).mean(1, keepdims=True)).ravel(),
        )[0, 1]
        > 0.95
    )
    assert within.std() < likes.std()


def test_of_shuffled_votes_it_learns_nothing_and_says_so():
    useful, areas = [], []
    for seed in range(3):
        features, votes, _ = tasted(seed)
        shuffled = np.random.default_rng(seed).permutation(votes.score)
        learned = fit(features, Comparisons(votes.left, votes.right, shuffled, votes.prompt), seed=seed)
        areas.append(learned.auroc)
        useful.append(learned.useful)
        assert learned.ece < 0.06, "what knows nothing says fifty to fifty"
        assert learned.brier < 0.256
    assert abs(np.mean(areas) - 0.5) < 0.04
    assert sum(useful) <= 1
    assert "do not select by it" in str(learned) or learned.useful


def test_prompts_are_held_out_whole():
    """A taste for each single video, which no other prompt can tell: in sample it would look good."""
    rng = np.random.default_rng(3)
    features, votes, _ = tasted(3)
    own = rng.normal(0, 3, len(features))
    score = (rng.random(len(votes.left)) < 1 / (1 + np.exp(own[votes.right] - own[votes.left]))).astype(float)
    learned = fit(features, Comparisons(votes.left, votes.right, score, votes.prompt))
    assert abs(learned.auroc - 0.5) < 0.08


def test_turning_all_pairs_round_gives_the_same_head():
    features, votes, _ = tasted(4)
    one = fit(features, votes)
    two = fit(features, Comparisons(votes.right, votes.left, 1 - votes.score, votes.prompt))
    np.testing.assert_allclose(one.weight, two.weight, atol=1e-6 * np.abs(one.weight).max())
    assert one.auroc == pytest.approx(two.auroc)


def test_too_few_votes_are_a_sentence():
    features, votes, _ = tasted(5)
    few = Comparisons(votes.left[:30], votes.right[:30], votes.score[:30], votes.prompt[:30])
    with pytest.raises(MareyError, match="30 votes on 1 prompts"):
        fit(features, few)


class View:
    """A clip of which only the embedding is asked."""

    def __init__(self, stored: np.ndarray) -> None:
        self.stored = stored

    def array(self, kind: str, compute: object) -> np.ndarray:
        assert kind == f"embedding@{LITE}"
        return self.stored


def test_the_head_is_a_signal_of_clips(tmp_path: Path):
    rng = np.random.default_rng(6)
    weight, mean, stills = rng.normal(size=1280), rng.normal(size=1280), rng.normal(size=(3, 1280)).astype(np.float16)
    head = tmp_path / "head.safetensors"
    save_head(head, weight, mean, LITE, {"study": "s"})
    given = resolve(Models(preference_head=str(head)))
    assert Measure in MEASURES
    assert Measure.offered(given)
    assert not Measure.offered(resolve(Models()))
    measure = Measure(given)
    measure.setup(1)
    wanted = ((stills.astype(float) - mean) @ weight).mean()
    assert measure.measure(View(stills)).value == pytest.approx(wanted, rel=1e-4)
    save_head(head, 2 * weight, mean, LITE, {})
    assert Measure(resolve(Models(preference_head=str(head)))).version != measure.version, (
        "another head, another column"
    )


def test_another_file_or_embedding_is_refused(tmp_path: Path):
    head = tmp_path / "head.safetensors"
    with pytest.raises(MareyError, match="not there"):
        resolve(Models(preference_head=str(head)))
    head.write_bytes(b"no tensors")
    with pytest.raises(MareyError, match="cannot be read"):
        Preference(head, LITE)
    save_head(head, np.ones(4), np.ones(5), LITE, {})
    with pytest.raises(MareyError, match="no preference head"):
        Preference(head, LITE)
    save_head(head, np.ones(4), np.full(4, np.nan), LITE, {})
    with pytest.raises(MareyError, match="no preference head"):
        Preference(head, LITE)
    save_head(head, np.ones(4), np.ones(4), "clip-mine", {})
    with pytest.raises(MareyError, match="'clip-mine'"):
        Preference(head, LITE)
    with pytest.raises(MareyError, match=r"\(N, 4\) would do"):
        Preference(head, "clip-mine").score(np.ones((2, 5)))


def test_from_votes_on_videos_to_a_head(library: Path, tmp_path: Path):
    with Library.open(library, write=True) as store:
        design = read(store, "looks")
        rehearse(store, design, 240, seed=1)
        out = tmp_path / "head.safetensors"
        votes = told(store, design, rehearsal=True)
        learned = learn(store, design, votes, out)
        again = learn(store, design, votes, tmp_path / "again.safetensors")
        assert out.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
        assert learned.auroc == again.auroc
        assert Preference(out, LITE).told["question"] == "quality"
        with pytest.raises(MareyError, match="does not ask"):
            learn(store, design, votes, out, question="taste")
        with pytest.raises(MareyError, match="ends with"):
            learn(store, design, votes, tmp_path / "head.pth")
