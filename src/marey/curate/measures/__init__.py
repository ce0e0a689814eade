"""The signals of clips, a file each. A new one is written here, and added to `MEASURES`."""

from marey.curate.measure import Measure
from marey.curate.measures.crop import Crop
from marey.curate.measures.embedding import Embedding
from marey.curate.measures.labels import Labels
from marey.curate.measures.light import Brightness, Contrast, Interlaced, Saturation, Sharpness
from marey.curate.measures.looks import Looks, LooksProxy
from marey.curate.measures.match import Match
from marey.curate.measures.motion import CameraMotion, Motion, MotionShare, ObjectMotion
from marey.curate.measures.motion_raft import MotionRaft
from marey.curate.measures.overlay import Overlay
from marey.curate.measures.phash import PerceptualHash
from marey.curate.measures.preference import Preference
from marey.curate.measures.rate import FrameRate
from marey.curate.measures.safety import SafetyScore
from marey.curate.measures.sound import Loudness, SilenceShare, SpeechLike
from marey.curate.measures.steady import BlackShare, CadenceShare, Flicker, FreezeShare
from marey.curate.measures.text_area import TextArea

MEASURES: tuple[type[Measure], ...] = (
    Motion,
    MotionShare,
    CameraMotion,
    ObjectMotion,
    MotionRaft,
    Brightness,
    Contrast,
    Saturation,
    Sharpness,
    Interlaced,
    BlackShare,
    FreezeShare,
    CadenceShare,
    Flicker,
    Crop,
    Overlay,
    Loudness,
    SilenceShare,
    SpeechLike,
    FrameRate,
    PerceptualHash,
    TextArea,
    LooksProxy,
    SafetyScore,
    Embedding,
    Labels,
    Looks,
    Preference,
    Match,
)

__all__ = ["MEASURES"]
