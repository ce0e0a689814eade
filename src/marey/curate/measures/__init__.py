"""The signals of clips, a file each. A new one is written here, and added to `MEASURES`."""

from marey.curate.measure import Measure
from marey.curate.measures.light import Brightness, Sharpness
from marey.curate.measures.motion import Motion, MotionShare
from marey.curate.measures.phash import PerceptualHash
from marey.curate.measures.rate import FrameRate
from marey.curate.measures.text_area import TextArea

MEASURES: tuple[type[Measure], ...] = (
    Motion,
    MotionShare,
    Brightness,
    Sharpness,
    FrameRate,
    PerceptualHash,
    TextArea,
)

__all__ = ["MEASURES"]
