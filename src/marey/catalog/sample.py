"""A selected clip as it is exported: its file, and everything that travels with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from marey.catalog.select import Selection
from marey.catalog.store import Library, Row
from marey.catalog.weights import caption_weights, drawn_caption, heaviest_caption

_TRAVELS = ("footage", "footage_name", "time_base", "license", "source", "credit")


@dataclass(frozen=True)
class Sample:
    """One clip of an export."""

    clip: str
    file: str
    """Inside the export's folder, with forward slashes."""
    frames: int
    width: int
    height: int
    fps: float
    seconds: float
    """All five of the file as it was written."""
    start_pts: int
    end_pts: int
    """Of its first and last frame, in ticks of the source's time base."""
    mode: str
    """How it was written: copy, exact or encode."""
    caption: str
    """The one that stands where there is room for one."""
    captions: dict[str, str]
    """By captioner, on one line each."""
    caption_weights: dict[str, float]
    """By captioner, how often its caption is to be trained on; 1 in all."""
    motion: float | None
    motion_bucket: int
    row: Row = field(repr=False)
    """Of the full table."""
    signals: dict[str, float] = field(default_factory=dict)
    """Every signal of it that is a number."""

    def known(self) -> dict[str, Any]:
        """All that travels with it, as JSON holds it."""
        return {
            "clip": self.clip,
            "caption": self.caption,
            "captions": self.captions,
            "caption_weights": {name: round(share, 6) for name, share in self.caption_weights.items()},
            "frames": self.frames,
            "width": self.width,
            "height": self.height,
            "fps": round(self.fps, 6),
            "seconds": round(self.seconds, 6),
            "motion": self.motion,
            "motion_bucket": self.motion_bucket,
            **{name: self.row.get(name) for name in _TRAVELS},
            "start_pts": self.start_pts,
            "end_pts": self.end_pts,
            "mode": self.mode,
            "signals": self.signals,
        }


def make_sample(
    row: Row,
    written: Mapping[str, Any],
    file: str,
    selection: Selection,
    captions: Mapping[str, str],
    signals: Mapping[str, Row],
    which: Literal["drawn", "heaviest"],
) -> Sample:
    """A sample from a clip's row of the full table and what its file holds."""
    said = {name: " ".join(text.split()) for name, text in captions.items()}
    shares = caption_weights(said, selection.captions)
    chosen = drawn_caption(row["clip"], shares) if which == "drawn" else heaviest_caption(shares)
    numbers = {name: float(one["value"]) for name, one in signals.items() if one["value"] is not None}
    return Sample(
        clip=row["clip"],
        file=file,
        **{name: written[name] for name in ("frames", "width", "height", "fps", "seconds", "start_pts", "end_pts")},
        mode=written["mode"],
        caption=said.get(chosen, "") if chosen else "",
        captions=said,
        caption_weights=shares,
        motion=numbers.get("motion"),
        motion_bucket=selection.motion_bucket[row["clip"]],
        row=row,
        signals=numbers,
    )


def captions_of(library: Library, clips: Sequence[str]) -> dict[str, dict[str, str]]:
    """The captions of clips, by clip and captioner; of each clip an entry."""
    found: dict[str, dict[str, str]] = {clip: {} for clip in clips}
    for row in library.rows("select clip, captioner, text from captions where status = 'ok' order by clip, captioner"):
        if row["clip"] in found and row["text"].strip():
            found[row["clip"]][row["captioner"]] = row["text"]
    return found
