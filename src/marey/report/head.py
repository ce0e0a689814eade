"""The head of the page: the verdict in plain sentences, a few numbers, and what the page shows and what it does not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marey.catalog.select import Selection
from marey.evaluate import Evaluation
from marey.report import footage, model, reproduce, words

if TYPE_CHECKING:
    from marey.catalog import Library

_KINDS = f"select kind, count(*) as n from footage where {footage.READ} group by kind"


@dataclass(frozen=True)
class Tile:
    """One number at the head of the page."""

    what: str
    number: str
    unit: str
    more: str


def verdict(
    library: "Library",
    selection: Selection | None,
    windows: list[dict[str, Any]],
    curves: list[model.Curve],
    evaluation: Evaluation | None,
) -> str:
    """The page in two or three plain sentences."""
    kinds = {row["kind"]: row["n"] for row in library.rows(_KINDS)}
    if not kinds:
        return "No usable footage came in, so nothing was made of it: the table of inputs says why."
    found = library.one("select count(*) as n from clips where status = 'ok'")
    clips_found = found["n"] if found else 0
    came = words.listed(
        [words.count(n, {"photo": "photograph"}.get(kind, kind)) for kind, n in sorted(kinds.items(), reverse=True)]
    )
    came = f"{came} came in"
    if selection is None:
        return f"{came} and gave {words.count(clips_found, 'clip')}. None has been selected yet."
    sentence = f"{came}; {words.count(len(selection.clips))} of {words.count(clips_found, 'clip')} were kept"
    if evaluation is None:
        rest = (
            "A model has been trained on them and is not evaluated yet." if curves else "No model has been trained yet."
        )
        return f"{sentence}. {rest}"
    train = _videos(windows, "train")
    trained = (
        f", and a small image-to-video model was trained on {words.count(train, 'window')} of them" if train else ""
    )
    return f"{sentence}{trained}. {words.quality(evaluation)}{_ceiling(evaluation)}{_moves(evaluation)}"


def _ceiling(evaluation: Evaluation) -> str:
    """Whether the autoencoder alone already loses to the still, and how the model does where both pay that price."""
    best, still = evaluation.row("autoencoder", "psnr"), evaluation.row("frozen", "psnr")
    if best is None or still is None or best.value >= still.value:
        return ""
    own = evaluation.difference("psnr", against="frozen_autoencoder")
    said = " Its autoencoder alone, the ceiling, already loses to the frozen still in pixels"
    if own is not None and own.verdict == "better":
        return f"{said}; the still held via the autoencoder it does beat."
    return f"{said}."


def _moves(evaluation: Evaluation) -> str:
    made, true = evaluation.row("model", "motion"), evaluation.row("truth", "motion")
    if made is None or true is None or true.value <= 0:
        return ""
    share = made.value / true.value
    if share < 0.25:
        return " It hardly moves."
    if share > 1.5:
        return f" It moves {words.short(share)} times as much as the truth, by a measure that takes flicker for motion."
    return f" It moves {words.percent(share)} as much as the truth."


def tiles(
    library: "Library",
    funnel: list[footage.Step],
    selection: Selection | None,
    windows: list[dict[str, Any]],
    curves: list[model.Curve],
    took: list[reproduce.Took],
    evaluation: Evaluation | None,
) -> list[Tile]:
    steps = {step.title: step for step in funnel}
    tiles = []
    came = steps["Inputs"]
    usable = next((part.count for part in came.parts if part.tone == "kept"), 0)
    source = steps.get("Footage")
    tiles.append(
        Tile(
            "Came in",
            words.count(came.total),
            "file" if came.total == 1 else "files",
            f"{words.count(usable)} usable{f', {source.note}' if source and source.note else ''}",
        )
    )
    if selection is not None:
        total = steps["Selected"].total
        share = words.percent(len(selection.clips) / total) if total else ""
        tiles.append(
            Tile(
                "Kept",
                words.count(len(selection.clips)),
                f"of {words.count(total, 'clip')}",
                f"{share} of what could be used",
            )
        )
    if windows:
        train, held = _videos(windows, "train"), _videos(windows, "heldout")
        taken = sum(curve.steps for curve in curves)
        more = f"{words.count(held)} held out" + (f"; {words.count(taken, 'training step')}" if taken else "")
        tiles.append(
            Tile("Trained on" if curves else "Encoded", words.count(train), "window" if train == 1 else "windows", more)
        )
    if evaluation is not None:
        psnr, still = evaluation.row("model", "psnr"), evaluation.row("frozen", "psnr")
        if psnr and still:
            more = f"{words.interval(psnr.low, psnr.high)}; a frozen still has {words.short(still.value)}"
            tiles.append(Tile("Closeness to the truth", words.short(psnr.value), "dB PSNR", more))
        made, true = evaluation.row("model", "motion"), evaluation.row("truth", "motion")
        if made and true:
            tiles.append(
                Tile("Motion", words.short(made.value), "px a frame", f"the truth has {words.short(true.value)}")
            )
    elif took:
        tiles.append(Tile("Took", words.duration(sum(one.seconds for one in took)), "", "in all"))
    return tiles


def shows(funnel: list[footage.Step], evaluation: Evaluation | None) -> list[str]:
    lines = [
        "What became of every file that came in, with the reason where it was not used.",
        "Which clips the selection kept and left out, with the numbers and thresholds that decided.",
    ]
    if evaluation is not None:
        lines += [
            "Whether the model predicts how a still goes on better than holding it frozen, or sliding it, would: on "
            f"{words.count(evaluation.n, 'window')} of footage that it was not trained on.",
            "How sure that is: intervals resample whole groups of footage, because windows of one shot are no "
            "independent witnesses.",
        ]
    return lines


def shows_not(
    windows: list[dict[str, Any]],
    took: list[reproduce.Took],
    evaluation: Evaluation | None,
    samples: model.Samples | None,
) -> list[str]:
    lines = []
    train = _videos(windows, "train")
    seconds = next((one.seconds for one in took if one.title == reproduce.STEPS["train"]), None)
    if train and evaluation is not None:
        spent = f"{words.duration(seconds)} of training on " if seconds else "training on "
        lines.append(
            f"A good model. {spent[0].upper()}{spent[1:]}{words.count(train, 'window')} shows that each part of "
            "the road works; Stable Video Diffusion was trained on 152 million clips."
        )
    if samples:
        lines.append(
            f"What the model would do at another size: it was trained and tested at {samples.width}×{samples.height} "
            f"pixels and {samples.frames} frames."
        )
    if evaluation is not None:
        lines.append(
            "Whether people like the videos. A still has many good continuations and the scores know one: a blurred "
            "average of them can score better than a sharp one that goes another way."
        )
        if evaluation.groups < 10:
            lines.append(
                "How it does on other footage: the windows come from "
                f"{words.count(evaluation.groups, 'group')} of footage only."
            )
        if evaluation.row("model", "frechet") is None:
            lines.append("A Fréchet distance: there are too few videos for one to mean anything.")
    lines.append(
        "That the signals agree with people: they are raw numbers, and which thresholds are good is for you to try."
    )
    return lines


def _videos(windows: list[dict[str, Any]], side: str) -> int:
    """How many windows of one side are videos, not single pictures."""
    return sum(info["split"] == side and not info.get("photo") for info in windows)
