"""The verb: the transitions of one file, without a library. It is decoded once, and nothing of it is kept."""

from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from marey.curate.candidate import Kind
from marey.curate.second import agreed_transitions
from marey.curate.strip import Album, draw_strip
from marey.errors import MareyError
from marey.media import Unusable, png_bytes, probe, read
from marey.progress import Progress, follow, silent
from marey.recipe import Transitions
from marey.signals.shotnet import SIZE, ShotNet
from marey.signals.signature import LUMA


@dataclass(frozen=True)
class TimedTransition:
    """One boundary between two shots. Frames count from 0 in presentation order; pts are ticks of the time base."""

    kind: Kind
    a_end: int
    """The last whole frame before."""
    b_start: int
    """The first whole frame after."""
    a_end_pts: int
    b_start_pts: int
    confidence: float
    """0..1."""


@dataclass(frozen=True)
class Cuts:
    """What one file's transitions are."""

    file: str
    frames: int
    fps: float
    """Frames a second, measured over all of them."""
    width: int
    height: int
    time_base: Fraction
    """Seconds in a tick."""
    first_pts: int
    """Of frame 0."""
    transitions: list[TimedTransition]
    reason: str = ""
    """What was wrong with a file that could be read all the same."""

    def seconds(self, pts: int) -> float:
        """A time since the first frame."""
        return float((pts - self.first_pts) * self.time_base)

    def __str__(self) -> str:
        count = len(self.transitions)
        head = (
            f"{self.file}: {self.frames} frames of {self.width}x{self.height}, {self.fps:.6g} a second; "
            f"{count or 'no'} transition{'' if count == 1 else 's'}"
        )
        lines = [head] + ([f"  {self.reason}"] if self.reason else [])
        if count:
            lines.append(f"  {'kind':<10}{'last frame before':>24}{'first frame after':>24}{'confidence':>14}")
        for one in self.transitions:
            before, after = clock(self.seconds(one.a_end_pts)), clock(self.seconds(one.b_start_pts))
            ends = f"{one.a_end:>10}{before:>14}{one.b_start:>10}{after:>14}"
            lines.append(f"  {one.kind:<10}{ends}{one.confidence:>14.3f}")
        return "\n".join(lines)


def find_cuts(
    file: str | Path,
    *,
    settings: Transitions | None = None,
    strip: str | Path | None = None,
    threads: int = 0,
    progress: Progress = silent,
) -> Cuts:
    """Find the transitions of a video.

    Args:
        settings: thresholds, and whether there is a second opinion; the recipe's defaults without it.
        strip: a PNG to draw them in: of each some frames before, inside and after. Small pictures of all frames are
            put aside for it as they pass, beyond 32 MB in a temporary file.
        threads: of the decoder and of the second opinion; 0 takes all cores for the one and a single thread for the
            other.

    Raises:
        Unusable: the file cannot be read, is a photograph, or has under two frames.
        MissingExtra: a second opinion is wanted and its extra is not installed.
        MareyError: `strip` cannot be written.
    """
    path, settings = Path(file).expanduser(), settings or Transitions()
    picture = _writable(Path(strip).expanduser()) if strip is not None else None
    facts = probe(path)
    if facts.kind == "photo":
        raise Unusable("rejected", "it is a photograph, which has no transitions: a video would do", path)
    net = ShotNet(max(1, threads)) if settings.second == "transnetv2" else None
    reading = read(path, facts, threads=threads)
    pts: list[int] = []
    luma, chroma, small = bytearray(), bytearray(), bytearray()
    with ExitStack() as stack:
        album = stack.enter_context(Album()) if picture is not None else None
        for frame in follow(reading, progress, "looking for transitions", facts.frames or 0):
            light, colour = frame.yuv(LUMA)
            luma += light.tobytes()
            chroma += colour.tobytes()
            pts.append(frame.pts)
            if net is not None:
                small += frame.rgb(SIZE).tobytes()
            if album is not None:
                album.take(frame)
        facts = reading.probe
        span = float((pts[-1] - pts[0]) * facts.time_base)
        fps = (len(pts) - 1) / span if span > 0 else facts.fps
        said = net(np.frombuffer(small, np.uint8).reshape(-1, *SIZE, 3), progress) if net is not None else None
        found = agreed_transitions(
            np.frombuffer(luma, np.uint8).reshape(-1, *LUMA),
            np.frombuffer(chroma, np.uint8).reshape(-1, LUMA[0] // 2, LUMA[1] // 2, 2),
            said,
            fps,
            settings,
        )
        cuts = Cuts(
            file=str(file),
            frames=len(pts),
            fps=fps,
            width=facts.width,
            height=facts.height,
            time_base=facts.time_base,
            first_pts=pts[0],
            transitions=[
                TimedTransition(one.kind, one.a_end, one.b_start, pts[one.a_end], pts[one.b_start], one.confidence)
                for one in found
            ],
            reason=reading.reason,
        )
        if picture is not None and album is not None:
            times = [clock(float((time - pts[0]) * facts.time_base)) for time in pts]
            picture.write_bytes(png_bytes(draw_strip(found, album, times, path.name)))
    return cuts


def clock(seconds: float) -> str:
    """A time as people write it: 1:02:03.040, or 2:03.040 within the first hour."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{rest // 1000:02}.{rest % 1000:03}"


def _writable(path: Path) -> Path:
    """A path to which a picture can be written: better said before the file is read than after."""
    if path.suffix.lower() != ".png":
        raise MareyError(f"--strip is {str(path)!r}: a name that ends in .png would do.")
    if not path.parent.is_dir():
        raise MareyError(f"--strip is {str(path)!r}: there is no folder {str(path.parent)!r} to write it to.")
    if path.is_dir():
        raise MareyError(f"--strip is {str(path)!r}, which is a folder: a name in it would do.")
    return path
