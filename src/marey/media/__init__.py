"""Time and pixels: what a file is, its frames with exact times, and files from frames."""

from marey.media.contact import contact_sheet, jpeg_bytes, png_bytes
from marey.media.decode import Frame, Reading, Tally, read
from marey.media.encode import video_bytes, write_video
from marey.media.photo import read_photo
from marey.media.pixels import Size
from marey.media.probe import Probe, Unusable, content_id, probe
from marey.media.reels import SLOW, Indivisible, Reel, divide, read_reel, seekable
from marey.media.spans import frames_at, span, walk

__all__ = [
    "SLOW",
    "Frame",
    "Indivisible",
    "Probe",
    "Reading",
    "Reel",
    "Size",
    "Tally",
    "Unusable",
    "contact_sheet",
    "content_id",
    "divide",
    "frames_at",
    "jpeg_bytes",
    "png_bytes",
    "probe",
    "read",
    "read_photo",
    "read_reel",
    "seekable",
    "span",
    "video_bytes",
    "walk",
    "write_video",
]
