"""A picture of a page, by a Chromium without a window.

    python docs/screenshot.py library/runs/tiny/report/index.html report.png --width 1280 --height 1000

Needs only the standard library and a Chromium or Chrome: on the PATH, where these systems install one, or named by
`--browser`. Exits with status 1 and a sentence if there is none, or if no picture came of it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
)


def browser(named: str | None = None) -> str | None:
    """The path of a Chromium: the named one, or the first that is found."""
    if named:
        return shutil.which(named)
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    return found or next((path for path in PLACES if Path(path).is_file()), None)


def screenshot(
    page: Path,
    out: Path,
    *,
    width: int = 1280,
    height: int = 1000,
    scale: float = 1.0,
    dark: bool = False,
    only: str = "",
    wait_ms: int = 1500,
    chromium: str | None = None,
) -> None:
    """Write a PNG of `page` (an HTML file) to `out`.

    Args:
        width, height: of the window, in CSS pixels; a tall window shows a whole page.
        scale: device pixels a CSS pixel.
        dark: as a person sees it who prefers dark pages.
        only: the id of the one element that is shown; the page must then hold all that it needs.
        wait_ms: time that the page gets, in its own clock, before the picture is taken.

    Raises:
        RuntimeError: no browser, or no picture came of it; the text says which.
    """
    program = browser(chromium)
    if program is None:
        raise RuntimeError("There is no Chromium or Chrome here: installing one, or --browser PATH, would do.")
    page, out = page.resolve(), out.resolve()
    if not page.is_file():
        raise RuntimeError(f"{page} is not there.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        if only:
            page = _alone(page, only, Path(profile) / "page.html")
        command = [
            program,
            *FLAGS,
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),  # as root it starts only so
            *(["--blink-settings=preferredColorScheme=0"] if dark else []),
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            f"--force-device-scale-factor={scale:g}",
            f"--virtual-time-budget={wait_ms}",
            f"--screenshot={out}",
            page.as_uri(),
        ]
        before = out.stat().st_mtime_ns if out.is_file() else None
        ended = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    if not out.is_file() or out.stat().st_mtime_ns == before:
        last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RuntimeError(f"{program} made no picture (status {ended.returncode}): {last}")


def _alone(page: Path, name: str, copy: Path) -> Path:
    """A copy of the page in which only the element with this id is shown: scrolled pages are photographed blank."""
    text = page.read_text(encoding="utf-8")
    if f'id="{name}"' not in text:
        raise RuntimeError(f"{page} has no element with the id {name!r}.")
    style = f"<style>body *:not(:has(#{name})):not(#{name}):not(#{name} *) {{ display: none !important; }}</style>"
    copy.write_text(text.replace("</head>", f"{style}</head>", 1), encoding="utf-8")
    return copy


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("page", type=Path, help="an HTML file")
    parser.add_argument("out", type=Path, help="the PNG")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1000)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--only", default="", help="the id of the one element to show")
    parser.add_argument("--wait-ms", type=int, default=1500)
    parser.add_argument("--browser", help="a Chromium or Chrome")
    words = parser.parse_args()
    try:
        screenshot(
            words.page,
            words.out,
            width=words.width,
            height=words.height,
            scale=words.scale,
            dark=words.dark,
            only=words.only,
            wait_ms=words.wait_ms,
            chromium=words.browser,
        )
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 1
    print(words.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
