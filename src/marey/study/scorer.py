"""A head on embeddings, fitted to votes: which clips are people likely to prefer?

Bradley and Terry with a linear strength: the logarithm of the odds that one video is preferred is w . (f - g), f and g
being the means of the embeddings of its first, middle and last still, as clips have them. Embeddings are wider than
votes are many, so they are brought down to their main directions first, and w is drawn to nothing by a ridge that is
chosen on held-out prompts. How often it is right, and whether its odds are what they say, is measured on prompts that
it was not fitted on; those odds are then scaled to be right (Guo et al. 2017).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from marey.catalog import Library
from marey.curate.measures.embedding import embedding_of
from marey.curate.measures.preference import save_head
from marey.errors import MareyError
from marey.evaluate import auroc, cluster_bootstrap, ece
from marey.evaluate.reading import read_video
from marey.progress import Progress, follow, silent
from marey.recipe import Models
from marey.study.design import Design, folder_of
from marey.study.votes import Told

Array = npt.NDArray[np.float64]

DIRECTIONS = 64
"""Main directions of the embeddings that are kept, at most."""
RIDGES = (0.1, 1.0, 10.0, 100.0, 1000.0)
FOLDS = 5
LEAST_VOTES, LEAST_PROMPTS = 40, 5


@dataclass(frozen=True)
class Comparisons:
    """Votes as rows: which of two videos, by number, was preferred."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    score: Array
    """1 the left one, 0 the right one, 0.5 a tie."""
    prompt: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Learned:
    """A head, and how good it is on prompts that it was not fitted on."""

    weight: Array
    mean: Array
    votes: int
    prompts: int
    auroc: float
    """Of which of two is preferred, ties left out; 0.5 is chance."""
    right: float
    """The share of votes that it foretells, ties left out."""
    right_low: float | None
    right_high: float | None
    brier: float
    """Mean square of what it says less what was voted; 0.25 is chance."""
    ece: float
    """Expected calibration error, ten bins of equal mass."""
    ridge: float
    temperature: float

    @property
    def useful(self) -> bool:
        """Whether it is surely better than chance."""
        return self.right_low is not None and self.right_low > 0.5

    def __str__(self) -> str:
        reach = (
            "" if self.right_low is None else f" ({100 * self.right_low:.0f} to {100 * (self.right_high or 1):.0f} %)"
        )
        text = (
            f"Fitted to {self.votes} votes on {self.prompts} prompts. On prompts that it was not fitted on it "
            f"foretells {100 * self.right:.0f} %{reach} of them: AUROC {self.auroc:.3f}, Brier {self.brier:.3f} "
            f"(chance: 0.250), calibration error {self.ece:.3f}."
        )
        return text if self.useful else f"{text} That is not surely better than chance: do not select by it."


def fit(features: Array, votes: Comparisons, *, seed: int = 0) -> Learned:
    """Fit a head to votes.

    Args:
        features: (V, D), a row for each video.

    Raises:
        MareyError: too few votes or prompts.
    """
    prompts = len(np.unique(votes.prompt))
    if len(votes.score) < LEAST_VOTES or prompts < LEAST_PROMPTS:
        raise MareyError(
            f"There are {len(votes.score)} votes on {prompts} prompts: at least {LEAST_VOTES} on {LEAST_PROMPTS} "
            "prompts would do."
        )
    fold = _folds(votes.prompt, seed)
    held = {ridge: _held_out(features, votes, fold, ridge) for ridge in RIDGES}
    losses = {ridge: _loss(logits, votes.score) for ridge, logits in held.items()}
    ridge = min(losses, key=lambda one: losses[one])
    logits = held[ridge]
    # The temperature of a fold's votes comes from the others: it, too, is judged on what it did not see.
    cooled = np.empty_like(logits)
    for n in range(fold.max() + 1):
        cooled[fold == n] = logits[fold == n] * _temperature(logits[fold != n], votes.score[fold != n])
    temperature = _temperature(logits, votes.score)
    weight, mean = _fitted(features, votes, ridge)
    chance = 1 / (1 + np.exp(-cooled))
    decided = votes.score != 0.5
    right = np.where(cooled == 0, 0.5, (cooled > 0) == (votes.score == 1.0)).astype(np.float64)[decided]
    # Said of the one that it holds for better: sides are by chance and tell nothing.
    sure = np.maximum(chance, 1 - chance)[decided]
    interval = cluster_bootstrap(right, votes.prompt[decided].tolist(), seed=seed)
    return Learned(
        weight=weight * temperature,
        mean=mean,
        votes=len(votes.score),
        prompts=prompts,
        auroc=auroc(
            np.concatenate([cooled[decided], -cooled[decided]]),
            np.concatenate([votes.score[decided] == 1, votes.score[decided] == 0]),
        ),
        right=interval.value,
        right_low=interval.low,
        right_high=interval.high,
        brier=float(np.mean((chance[decided] - votes.score[decided]) ** 2)),
        ece=ece(sure, right > 0.5, bins=10, binning="mass"),
        ridge=ridge,
        temperature=temperature,
    )


def learn(
    library: Library,
    design: Design,
    votes: Told,
    out: Path,
    *,
    question: str = "quality",
    models: Models | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Learned:
    """Fit a head to the votes on one question, and write it to `out` as safetensors, with its figures in it.

    Args:
        models: whose embeddings: those that curation stores of clips.

    Raises:
        MareyError: no such question, too few votes, or a video or model that is not there.
    """
    if question not in votes.questions:
        raise MareyError(f"The study does not ask {question!r}: one of {', '.join(votes.questions)} would do.")
    if out.suffix != ".safetensors":
        raise MareyError(f"{out} is no name of a head: one that ends with .safetensors would do.")
    ballots = votes.questions[question]
    wanted = sorted(
        {
            (arm, prompt)
            for prompt, *arms in zip(
                ballots.prompt.tolist(), ballots.left.tolist(), ballots.right.tolist(), strict=True
            )
            for arm in arms
        }
    )
    number = {key: n for n, key in enumerate(wanted)}
    rows, embedding = [], ""
    for arm, prompt in follow(wanted, progress, "embedding the videos", len(wanted)):
        path = folder_of(library, design.name) / f"{design.of(design.arms[arm].name, design.prompts[prompt].id)}.mp4"
        frames, _ = read_video(path)
        stills = [frames[0], frames[(len(frames) - 1) // 2], frames[-1]]
        found, embedding = embedding_of(stills, models or Models())
        rows.append(found.astype(np.float64).mean(axis=0))
    left, right = (
        np.array([number[arm, prompt] for arm, prompt in zip(column.tolist(), ballots.prompt.tolist(), strict=True)])
        for column in (ballots.left, ballots.right)
    )
    learned = fit(np.array(rows), Comparisons(left, right, ballots.score, ballots.prompt), seed=seed)
    figures = {name: value for name, value in asdict(learned).items() if name not in ("weight", "mean")}
    told = {"figures": figures, "study": design.name, "question": question}
    save_head(out, learned.weight, learned.mean, embedding, told)
    return learned


def _folds(prompt: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Whole prompts are held out together."""
    names, number = np.unique(prompt, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names)) % min(FOLDS, len(names))
    return np.asarray(order[number], dtype=np.int64)


def _held_out(features: Array, votes: Comparisons, fold: npt.NDArray[np.int64], ridge: float) -> Array:
    """The logits (N,) of each vote by a head that saw no vote on its prompt."""
    logits = np.empty(len(votes.score))
    for n in range(fold.max() + 1):
        seen, unseen = fold != n, fold == n
        weight, _ = _fitted(features, _taken(votes, seen), ridge)
        logits[unseen] = (features[votes.left[unseen]] - features[votes.right[unseen]]) @ weight
    return logits


def _taken(votes: Comparisons, mask: npt.NDArray[np.bool_]) -> Comparisons:
    return Comparisons(votes.left[mask], votes.right[mask], votes.score[mask], votes.prompt[mask])


def _fitted(features: Array, votes: Comparisons, ridge: float) -> tuple[Array, Array]:
    """Weight (D,) and mean (D,)."""
    seen = np.unique(np.concatenate([votes.left, votes.right]))
    mean = features[seen].mean(axis=0)
    _, scale, basis = np.linalg.svd(features[seen] - mean, full_matrices=False)
    kept = min(DIRECTIONS, int((scale > 1e-6 * scale.max(initial=1e-300)).sum()))
    # One length for all directions together keeps the ridge's meaning from one embedding to another.
    length = np.sqrt((scale[:kept] ** 2).sum() / max(1, len(seen)) / max(1, kept)) if kept else 1.0
    project = basis[:kept].T / max(length, 1e-12)  # (D, K)
    rows = (features[votes.left] - features[votes.right]) @ project  # (N, K)
    weight = np.zeros(rows.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-rows @ weight))
        gradient = rows.T @ (votes.score - chance) - ridge * weight
        curve = (rows * (chance * (1 - chance))[:, None]).T @ rows + ridge * np.eye(len(weight))
        step = np.linalg.solve(curve, gradient)
        weight = weight + step * min(1.0, 4.0 / max(float(np.abs(step).max(initial=0)), 1e-12))
        if np.abs(step).max(initial=0) < 1e-8:
            break
    return project @ weight, mean


def _loss(logits: Array, score: Array) -> float:
    return float(np.mean(np.logaddexp(0, logits) - score * logits))


def _temperature(logits: Array, score: Array) -> float:
    """What to multiply logits by so that their odds are right; not below 0, by golden section."""
    low, high = 0.0, 8.0
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        one, two = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, two) if _loss(one * logits, score) < _loss(two * logits, score) else (one, high)
    return float((low + high) / 2)
