"""Time and pixels: what a file is, its frames with exact times, and files from frames."""

from marey.media.contact import contact_sheet, jpeg_bytes, png_bytes
from marey.media.decode import Frame, Reading, Tally, frames_at, read, span, walk
from marey.media.encode import video_bytes, write_video
from marey.media.photo import read_photo
from marey.media.probe import Probe, Unusable, content_id, probe
from marey.media.stills import Stills

__all__ = [
    "Frame",
    "Probe",
    "Reading",
    "Stills",
    "Tally",
    "Unusable",
    "contact_sheet",
    "content_id",
    "frames_at",
    "jpeg_bytes",
    "png_bytes",
    "probe",
    "read",
    "read_photo",
    "span",
    "video_bytes",
    "walk",
    "write_video",
]
