"""Which trainings there are, what each differs in, and which of them are compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from marey.recipe.ablations import Ablations
from marey.study.ablations.footage import AXES

CLAIMS = MappingProxyType(
    {
        "a": "Image pretraining before video beats video from scratch",
        "b": "A curated set beats the uncurated one",
        "c": "The gain survives finetuning on clips of high quality",
        "d": "Each filter alone",
        "e": "More noise helps at a larger size",
    }
)


@dataclass(frozen=True)
class Arm:
    """One training of one seed."""

    name: str
    claim: str
    """The first claim that needs it."""
    stage: Literal["image", "video", "finetune"]
    start: str | None
    """The arm whose weights it goes on from; None: fresh ones."""
    data: str
    """Which set it sees, by its name in `Sets`."""
    large: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Of the stage's settings."""


@dataclass(frozen=True)
class Comparison:
    """Two arms of the same seed, and what the first is claimed to be."""

    name: str
    claim: str
    says: str
    """For a reader: the first against the second."""
    first: str
    second: str
    gain_over: tuple[str, str] | None = None
    """Two further arms: not the gain, but by how much it is larger than that of the first of these over the second."""
    expected: bool = True
    """Whether the paper claims that the first is better; what it does not speak of is only told."""


def equal_steps(settings: Ablations) -> int:
    """Video steps that see as many frames as the image and the video stage together.

    A frame of the image stage costs less, since it goes past all temporal layers: this is more than equal computing.
    """
    image, video = settings.image, settings.video
    return video.steps + round(image.steps * image.batch / (video.batch * settings.footage.frames))


def law_arm(p_mean: float, large: bool, settings: Ablations) -> str:
    """The arm of a noise law; the small one at the usual law is the curated arm."""
    if not large and p_mean == settings.video.p_mean:
        return "curated"
    return f"{'large' if large else 'small'} law {p_mean:g}"


def arms(settings: Ablations) -> list[Arm]:
    """All arms of the claims that are asked for, each after those that it goes on from; claims a to c come first."""
    found = [
        Arm("image", "a", "image", None, "pictures"),
        Arm("curated", "a", "video", "image", "curated"),
        Arm("scratch", "a", "video", None, "curated"),
        Arm("scratch, equal computing", "a", "video", None, "curated", changes={"steps": equal_steps(settings)}),
        Arm("uncurated", "b", "video", "image", "uncurated"),
        Arm("small curated", "b", "video", "image", "small"),
        Arm("curated, finetuned", "c", "finetune", "curated", "quality"),
        Arm("uncurated, finetuned", "c", "finetune", "uncurated", "quality"),
    ]
    found += [Arm(f"filtered by {axis}", "d", "video", "image", f"only {axis}") for axis in AXES]
    for large in (False, True):
        for p_mean in settings.laws:
            name = law_arm(p_mean, large, settings)
            if name != "curated":
                found.append(Arm(name, "e", "video", "image", "curated", large, {"p_mean": p_mean}))
    needed: set[str] = set()
    for one in comparisons(settings):
        needed |= {one.first, one.second, *(one.gain_over or ())}
    by_name = {arm.name: arm for arm in found}
    todo = list(needed)
    while todo:
        start = by_name[todo.pop()].start
        if start is not None and start not in needed:
            needed.add(start)
            todo.append(start)
    return [arm for arm in found if arm.name in needed]


def comparisons(settings: Ablations) -> list[Comparison]:
    """All comparisons of the claims that are asked for."""
    found = [
        Comparison("pretrained", "a", "images first, against none: equal video steps", "curated", "scratch"),
        Comparison(
            "pretrained, equal computing",
            "a",
            "images first, against none: at least equal computing",
            "curated",
            "scratch, equal computing",
        ),
        Comparison("curated", "b", "curated, against uncurated: sets of one size", "curated", "uncurated"),
        Comparison(
            "small curated",
            "b",
            "what curation leaves of it, against all of the uncurated set",
            "small curated",
            "uncurated",
        ),
        Comparison(
            "curated and more", "b", "curated at full size, against what curation leaves", "curated", "small curated"
        ),
        Comparison(
            "finetuned",
            "c",
            "curated, against uncurated: after finetuning",
            "curated, finetuned",
            "uncurated, finetuned",
        ),
    ]
    words = {"cuts": "cuts", "static": "still clips", "text": "text", "captions": "wrong captions"}
    found += [
        Comparison(f"no {axis}", "d", f"without {words[axis]}, against uncurated", f"filtered by {axis}", "uncurated")
        for axis in AXES
    ]
    least = settings.laws[0]
    for p_mean in settings.laws[1:]:
        few, many = ((law_arm(p_mean, large, settings), law_arm(least, large, settings)) for large in (False, True))
        said = f"p_mean {p_mean:g}, against {least:g}"
        found += [
            Comparison(f"small law {p_mean:g}", "e", f"{said}: small", *few, expected=False),
            Comparison(f"large law {p_mean:g}", "e", f"{said}: large", *many),
            Comparison(f"law {p_mean:g} by size", "e", f"{said}: large over small", *many, gain_over=few),
        ]
    return [one for one in found if one.claim in settings.claims]
