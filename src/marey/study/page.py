"""The voting page: from a server beside it, or one file with the videos in it that needs nothing else."""

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from marey.catalog import Library
from marey.errors import MareyError
from marey.study.design import Design, folder_of
from marey.study.trials import Trial
from marey.study.trials import trials as chosen
from marey.study.votes import told

LARGEST_MB = 400
"""A page with more than this in it is not opened by every browser."""


def page_of(
    design: Design, *, trials: Sequence[Trial] = (), media: dict[str, str] | None = None, goal: int = 60
) -> str:
    """The page as HTML. Nothing in it names an arm.

    Args:
        trials: those that an offline page asks; without them it asks the server that it came from.
        media: by video id and by the file of a still, its data URL.
        goal: so many votes are asked for.
    """
    prompts = {prompt.id: n for n, prompt in enumerate(design.prompts)}
    shown = [
        {"caption": prompt.caption, "still": (media or {}).get(prompt.still, f"media/{prompt.still}")}
        if prompt.still
        else {"caption": prompt.caption}
        for prompt in design.prompts
    ]
    facts: dict[str, Any] = {
        "study": design.name,
        "goal": goal,
        "prompts": shown,
        "offline": bool(trials),
        # A prompt's own id is that of a clip: it stays here.
        "trials": [{**asdict(trial), "prompt": prompts[trial.prompt]} for trial in trials],
        "media": {name: url for name, url in (media or {}).items() if not name.endswith(".jpg")},
        "width": design.width,
        "height": design.height,
    }
    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Markup((here / "page.css").read_text(encoding="utf-8"))
    script = Markup((here / "page.js").read_text(encoding="utf-8"))
    return environment.get_template("page.html.j2").render(
        facts=_json(facts), style=style, script=script, offline=bool(trials), height=design.height, width=design.width
    )


def offline_page(library: Library, design: Design, out: Path, *, goal: int = 60) -> Path:
    """Write one HTML file that asks `goal` votes of each who opens it, chosen by the votes that there are.

    It holds half as many pairs again, so that not all who open it see the same ones.

    Raises:
        MareyError: a video is not there, or the page would be too large to open.
    """
    votes = told(library, design)
    number = sum(len(one) for one in votes.questions.values())
    return write_page(library, design, chosen(design, votes, goal + goal // 2, seed=number), out, goal=goal)


def write_page(
    library: Library, design: Design, trials: Sequence[Trial], out: Path, *, goal: int | None = None
) -> Path:
    """Write the offline page to `out`, with every video of its trials in it.

    Raises:
        MareyError: a video is not there, or it would be too large to open.
    """
    folder = folder_of(library, design.name)
    names = sorted({video for trial in trials for video in (trial.left, trial.right)})
    files = {name: folder / f"{name}.mp4" for name in names}
    files |= {prompt.still: folder / prompt.still for prompt in design.prompts if prompt.still}
    missing = [path for path in files.values() if not path.is_file()]
    if missing:
        raise MareyError(f"{missing[0]} is not there: `marey study plan` again would make it.")
    size = sum(path.stat().st_size for path in files.values()) >> 20
    if size > LARGEST_MB:
        raise MareyError(f"The page would hold {size} MB of videos, more than {LARGEST_MB}: fewer --votes would do.")
    media = {name: _data(path) for name, path in files.items()}
    text = page_of(design, trials=trials, media=media, goal=goal or len(trials))
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.tmp")
    part.write_text(text, encoding="utf-8")
    os.replace(part, out)
    return out


def _data(path: Path) -> str:
    kind = "video/mp4" if path.suffix == ".mp4" else "image/jpeg"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _json(value: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it ends that or begins a tag."""
    text = json.dumps(value, ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
