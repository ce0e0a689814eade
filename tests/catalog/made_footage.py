"""A library of small real files, whose clips can be written out."""

from pathlib import Path
from typing import Any

import numpy as np
from filming import film, turn
from made_library import add_clip, add_footage, new

from marey.catalog import Library, select
from marey.media import content_id, probe
from marey.recipe import Select

CAPTIONS = {"image": "an image", "video": "a video\nof something", "merged": "both, ü", "facts": "facts"}


def add_source(library: Library, path: Path, **columns: Any) -> str:
    """A file as curation would have entered it; its id is the hash of its content."""
    found, name = probe(path), content_id(path)
    row = {"time_base": found.time_base, "width": found.width, "height": found.height, "fps": found.fps}
    add_footage(library, name, path=str(path), **row, **columns)
    stat = path.stat()
    library.put("inputs", [{"path": str(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}])
    return name


def add_span(library: Library, clip: str, source: Path, first: int, last: int, **signals: Any) -> str:
    """A clip of the frames `first` to `last`, with captions."""
    times = [int(time) for time in probe(source).pts]
    found = probe(source)
    add_clip(
        library,
        clip,
        content_id(source),
        {"motion": 1.0, **signals},
        start_frame=first,
        end_frame=last,
        start_pts=times[first],
        end_pts=times[last],
        frames=last - first + 1,
        width=found.width,
        height=found.height,
        fps=found.fps,
    )
    rows = [{"clip": clip, "captioner": name, "version": "1", "text": text} for name, text in CAPTIONS.items()]
    library.put("captions", rows)
    return clip


def small(folder: Path) -> Library:
    """Two sources and five clips, of which four are selected as `hq`; and a photograph, which is selected too."""
    library = new(folder)
    films = folder / "films"
    films.mkdir()
    one = film(films / "a  b: ünder.mp4", 60, options={"bf": "2"}, sound=True)
    two = turn(film(films / "two.mp4", 40, fps=30, height=96, width=160), 90)
    add_source(library, one, license="CC0", source="https://example.org/one", credit="Ann")
    add_source(library, two, license="CC BY 3.0", credit="Bo | <b>")
    add_span(library, "aa", one, 3, 29, motion=1.0, crop=bars(8, 8, 16, 0))
    add_span(library, "bb", one, 30, 49, motion=3.0)
    add_span(library, "cc", one, 50, 59, motion=0.0)
    add_span(library, "dd", two, 2, 33, motion=2.0, text_area=0.01)
    add_span(library, "ee", two, 34, 39, motion=2.0)
    add_footage(library, "still", kind="photo", path=str(films / "still.jpg"))
    add_clip(library, "ff", "still")
    select(library, Select(name="hq", min={"motion": 0.5}, duplicates="keep"))
    return library


def bars(*sides: int) -> dict[str, Any]:
    return {"value": 0.1, "data": str(list(sides)), "bad": "high"}


def numbers(path: Path) -> list[int]:
    """What each frame of a file of `film` says, where it can be told."""
    from filming import number

    from marey.media import walk

    return [number(frame.gray()) for frame in walk(path, 0, 10**9)]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its path inside."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((one.astype(float) - other) ** 2).mean())))
