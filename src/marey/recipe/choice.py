"""Which clips, and as what files: `[select]` and `[export]`."""

from typing import Any, Literal

from pydantic import Field, model_validator

from marey.recipe.section import Section
from marey.recipe.text import flattened


class Select(Section):
    """A named query over signals. `drop` cuts a share from each signal's bad end; `min` and `max` are absolute. A rule
    looks at a signal's own value, its mean, unless it names a part of it: `text_area.max`, `match.merged`."""

    name: str = Field("selected", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    drop: dict[str, float] = {}
    """Signal to percent, 0..100, of all ok clips, each signal alone; ties stay."""
    min: dict[str, float] = {}
    max: dict[str, float] = {}
    allow_missing: bool = False
    """Let clips pass whose signal could not be computed; otherwise that is an error."""
    duplicates: Literal["keep", "drop"] = "drop"
    """Drop: of each group of near-duplicates only the sharpest clip stays."""
    captions: dict[str, float] = {"image": 0.5, "video": 0.25, "merged": 0.25, "file": 1.0}
    """Captioner to how often its caption is to be trained on, as in the paper; stored with the selection. A person's
    words (`file`), which few clips have, count as much as the three together. Those that a clip lacks give their share
    to the others; a clip with none of them has its caption from `facts`."""

    @model_validator(mode="before")
    @classmethod
    def _parts(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        rules = {key: flattened(table[key]) for key in ("drop", "min", "max") if isinstance(table.get(key), dict)}
        return {**table, **rules}

    @model_validator(mode="after")
    def _percents(self) -> "Select":
        for signal, percent in self.drop.items():
            if not 0 <= percent < 100:
                raise ValueError(f"drop.{signal} is {percent}: a percentage from 0 to under 100 would do")
        for captioner, weight in self.captions.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"captions.{captioner} is {weight}: a number from 0 would do")
        return self


class Export(Section):
    """Selected clips as files, laid out as a trainer reads them."""

    layout: Literal[
        "folder", "webdataset", "finetrainers", "diffusion-pipe", "musubi-tuner", "open-sora", "videox-fun"
    ] = "folder"
    mode: Literal["copy", "exact", "encode"] = "exact"
    """copy: the whole groups of pictures inside a clip, bit for bit; exact: every frame, only the edges encoded anew;
    encode: all of it encoded anew, cropped and sized as asked."""
    fallback: Literal["none", "exact", "encode"] = "none"
    """What becomes of a clip that cannot be copied. none: it is left out, and the reason told."""
    audio: bool = False
    """Write the sound too, where there is any."""
    crop: bool = True
    """encode: cut away what the signal `crop` says, bars above all."""
    size: int | tuple[int, int] | None = None
    """encode: a short side in pixels, or (height, width), which the largest centred part fills. None: as it is."""
    fps: float | None = Field(None, gt=0, le=1000)
    """encode: frames a second. None: every frame at its own time."""
    crf: float = Field(16.0, ge=0, le=51)
    """encode: quality of libx264, 0 the best."""
    preset: str = "medium"
    """encode: of libx264, from ultrafast to veryslow."""
    caption: Literal["drawn", "heaviest"] = "drawn"
    """Which caption stands where a layout has room for one. drawn: one by the selection's weights, always the same for
    a clip, so that over all clips the shares are those weights; heaviest: the one with the largest weight."""
    frames: tuple[int, ...] = (1, 9, 17, 25, 33, 49, 65, 81, 97, 121, 161, 241)
    """Lengths by which clips are put into buckets: a clip belongs to the longest that it fills."""
    shard_megabytes: float = Field(256.0, gt=0)
    """webdataset: a shard is closed before it would be larger."""
    root: str | None = None
    """The export's folder as the trainer will see it, for layouts that want whole paths. None: where it is written."""
    clip_timeout_seconds: float = Field(300.0, gt=0)
    """A source may take so long for each of its clips; then it is given up, and only that one."""

    @model_validator(mode="after")
    def _sides(self) -> "Export":
        sides = self.size if isinstance(self.size, tuple) else (self.size or 16,)
        if min(sides) < 16:
            raise ValueError(f"size is {self.size}: sides of 16 pixels or more would do")
        if not self.frames or min(self.frames) < 1:
            raise ValueError(f"frames is {self.frames}: whole numbers from 1 would do")
        return self
