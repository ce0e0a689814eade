"""Numbers and sentences for a reader: counts, times, sizes, what a rule means, and what the evaluation comes to."""

import math
from collections.abc import Sequence

from marey.catalog.select import Threshold
from marey.evaluate import Evaluation
from marey.report.plots import short

SIGNALS = {
    "motion": ("Motion", "mean movement in half a second"),
    "motion_share": ("Motion, of the diagonal", "mean movement in half a second, as a share of the picture's diagonal"),
    "camera_motion": ("Camera motion", "the part of the movement that a moving camera explains"),
    "object_motion": ("Object motion", "the part of the movement that is left over"),
    "brightness": ("Brightness", "mean luma"),
    "contrast": ("Contrast", "deviation of luma within a picture"),
    "saturation": ("Saturation", "distance of the colours from grey"),
    "sharpness": ("Sharpness", "variance of the Laplacian"),
    "text_area": ("Text area", "share of the picture that text covers"),
    "overlay": ("Static overlays", "share of the picture that logos and the like cover"),
    "crop": ("Black bars", "share of the picture that is black bars"),
    "interlaced": ("Interlacing", "how much the two fields of a frame differ"),
    "black_share": ("Black frames", "share of the frames"),
    "freeze_share": ("Frozen frames", "share of the frames that equal the one before"),
    "cadence": ("Repeated frames", "share of the frames that repeat the one before in a regular pattern"),
    "flicker": ("Flicker", "ups and downs of the brightness from frame to frame"),
    "labels": ("Sureness of the label", "probability of the likeliest of a thousand classes"),
    "looks": ("Looks", "score of an aesthetic head"),
    "looks_proxy": ("Looks, by a proxy", "what can be told of a picture's looks without a trained head"),
    "match": ("Match", "how well the caption fits the picture"),
    "safety": ("Safety", "how likely it is unsafe for work"),
    "loudness": ("Loudness", "integrated, after ITU-R BS.1770"),
    "silence_share": ("Silence", "share of the time in which nothing is heard"),
    "speech_like": ("Speech-like sound", "share of the time in which the sound has syllables"),
    "fps": ("Frame rate", "frames a second"),
}
"""What a reader calls a signal, and what it is. Others are called by their own name."""

PLOTTED = ("motion", "sharpness", "brightness", "text_area", "looks", "looks_proxy", "match")
"""Signals with a histogram whatever the selection looks at; the others have a line of a table."""

_TOO = {
    ("motion", "low"): "Too little motion",
    ("motion_share", "low"): "Too little motion",
    ("sharpness", "low"): "Not sharp enough",
    ("text_area", "high"): "Too much text",
    ("camera_motion", "high"): "Too much camera motion",
    ("object_motion", "low"): "Too little moves by itself",
    ("contrast", "low"): "Too little contrast",
    ("overlay", "high"): "Too much laid over it",
    ("crop", "high"): "Too much black bar",
    ("interlaced", "high"): "Interlaced",
    ("black_share", "high"): "Too many black frames",
    ("freeze_share", "high"): "Too many frozen frames",
    ("cadence", "high"): "Too many repeated frames",
    ("flicker", "high"): "Too much flicker",
    ("loudness", "low"): "Too quiet",
    ("loudness", "high"): "Too loud",
    ("silence_share", "high"): "Too much silence",
    ("brightness", "low"): "Too dark",
    ("brightness", "high"): "Too bright",
}
METRIC_WORDS = {
    "psnr": "pixels (PSNR)",
    "ssim": "structure (SSIM)",
    "difference": "change from frame to frame",
    "motion_error": "the amount of motion",
}


def count(number: float, one: str = "", many: str = "") -> str:
    """`12 300 clips`, with the right word for one and for many."""
    text = f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    word = one if number == 1 else many or (f"{one}s" if one else "")
    return f"{text} {word}".rstrip()


def duration(seconds: float | None) -> str:
    """`0.8 s`, `42 s`, `6 min 40 s`, `2 h 05 min`."""
    if seconds is None:
        return "unknown"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def moment(seconds: float) -> str:
    """A place in a video: `1:05.3`."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def memory(megabytes: float | None) -> str:
    """`830 MB`, `2.1 GB`."""
    if megabytes is None:
        return "not measured"
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1024:.1f} GB"


def percent(share: float | None) -> str:
    """`87 %`; a dash where there is nothing to have a share of."""
    return "\N{EN DASH}" if share is None else f"{100 * share:.0f}\N{NARROW NO-BREAK SPACE}%"


def interval(low: float | None, high: float | None) -> str:
    """`19.2 to 21.8`, or that there is none."""
    return "no interval" if low is None or high is None else f"{short(low)} to {short(high)}"


def signed(value: float) -> str:
    """With a plus or a true minus."""
    return f"+{short(value)}" if value > 0 else short(value)


def amount(value: float, unit: str) -> str:
    """A number with its unit, as a reader says it: shares as percentages, rates as frames a second."""
    if unit == "1":
        return f"{short(100 * value)}\N{NARROW NO-BREAK SPACE}%"
    return f"{short(value)} {unit_said(unit)}".rstrip()


def unit_said(unit: str) -> str:
    """The unit of a signal in words; of a share, which is shown in percent, the sign."""
    return {"1": "%", "1/s": "frames a second"}.get(unit, unit.replace("^2", "\N{SUPERSCRIPT TWO}"))


def rule_said(rule: str, threshold: Threshold | None, value: float | None, unit: str) -> str:
    """Why a clip was left out, in one phrase."""
    if rule == "duplicates":
        return "Near-duplicate of a clip that is kept or sharper"
    if threshold is None:
        return rule
    name = SIGNALS.get(threshold.signal, (threshold.signal, ""))[0]
    way = "under" if threshold.side == "low" else "over"
    start = _TOO.get((threshold.signal, threshold.side), f"{name} too {threshold.side}")
    if value is None or threshold.value is None:
        return start
    return f"{start}: {amount(value, unit)}, {way} {amount(threshold.value, unit)}"


def rule_title(rule: str, threshold: Threshold | None, unit: str) -> str:
    """What a rule asks, as a line of a table."""
    if rule == "duplicates":
        return "of near-duplicates only one stays"
    if threshold is None:
        return rule
    name = SIGNALS.get(threshold.signal, (threshold.signal, ""))[0].lower()
    asked = "the lowest" if threshold.side == "low" else "the highest"
    share = f"{asked} {threshold.percent:g} % by {name}" if threshold.percent is not None else name
    if threshold.value is None:
        return f"{share}: no clip has a value"
    way = "under" if threshold.side == "low" else "over"
    return f"{share}: {way} {amount(threshold.value, unit)}"


def listed(things: Sequence[str]) -> str:
    """`a, b and c`."""
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}" if things else ""


def quality(evaluation: Evaluation) -> str:
    """How the model compares with holding its first frame still, from the paired differences and nothing else."""
    found: dict[str, list[str]] = {}
    for gap in evaluation.differences:
        if gap.subset == "all" and gap.against == "frozen":
            found.setdefault(gap.verdict, []).append(METRIC_WORDS.get(gap.metric, gap.metric))
    better, worse, same = (found.get(name, []) for name in ("better", "worse", "not distinguishable"))
    if found.get("too few groups to say"):
        return (
            "There is too little held-out footage to say whether the model does better than holding the still frozen."
        )
    if better and not worse and not same:
        return f"It comes closer to the truth than holding the still frozen, in {listed(better)}."
    if worse and not better:
        rest = f", and about as far in {listed(same)}" if same else ""
        return f"It does not beat holding the still frozen: it is further from the truth in {listed(worse)}{rest}."
    if not better:
        return f"It cannot be told from holding the still frozen, in {listed(same)}."
    parts = [f"closer to the truth in {listed(better)}"]
    if worse:
        parts.append(f"further from it in {listed(worse)}")
    if same:
        parts.append(f"not distinguishable in {listed(same)}")
    return f"Compared with holding the still frozen, it is {'; '.join(parts)}."


def finite(value: object) -> float | None:
    """A number, if it is one."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
