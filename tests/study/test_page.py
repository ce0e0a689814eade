"""The voting page in a browser: driven by its keys, offline and from its server."""

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marey.catalog import Library
from marey.study.design import Design, read
from marey.study.page import page_of, write_page
from marey.study.serve import serve
from marey.study.trials import trials
from marey.study.votes import take, told

from .chromium import Browser, program
from .made_study import ARMS

ROOT = Path(__file__).parents[2]
in_browser = pytest.mark.skipif(program() is None, reason="no Chromium here")


@pytest.fixture
def page(made: Path, tmp_path: Path) -> Path:
    with Library.open(made / "library") as store:
        design = read(store, "looks")
        return write_page(
            store, design, trials(design, told(store, design), 24, seed=1), tmp_path / "vote.html", goal=6
        )


def begin(browser: Browser, url: str, voter: str = "Ada") -> None:
    browser.open(url)
    browser.click("#nickname")
    browser.type(voter)
    browser.press("Enter")
    ready(browser, 0)


def ready(browser: Browser, given: int) -> None:
    browser.until(f"document.body.dataset.ready === '{given}' && !document.querySelector('[data-choice]').disabled")


def kept(browser: Browser, voter: str = "Ada") -> list[dict[str, Any]]:
    said = browser.ask(f"localStorage.getItem('marey-votes/looks/{voter}')")
    return json.loads(said or "[]")


def test_the_page_names_no_arm_and_loads_nothing(page: Path, made: Path):
    text = page.read_text()
    for name in (*ARMS, "drop-"):
        assert name not in text
    outside = re.findall(r"""(?:src|href)=["'](?!data:)([^"']+)""", text)
    assert [one for one in outside if one] == [], outside
    assert "default-src 'none'" in text
    assert "connect-src 'none'" in text
    assert "<b>slides" not in text, "what a person wrote is escaped"
    with Library.open(made / "library") as store:
        design = read(store, "looks")
    assert not any(check.bad in page_of(design) for check in design.checks), "nor does it name what is a check"


def test_a_caption_cannot_end_the_script(made: Path):
    with Library.open(made / "library") as store:
        design = read(store, "looks")
    bad = design.prompts[0].__class__("x", "</script><script>alert(1)</script><!--", "")
    text = page_of(Design(**{**design.__dict__, "prompts": (bad,)}))
    assert "alert(1)" in text
    assert "</script><script>alert" not in text
    assert text.count("</script>") == 2


def test_the_style_is_that_of_the_report():
    def colours(path: Path) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, value in re.findall(r"(--[a-z-]+): ([^;]+);", path.read_text()):
            found.setdefault(name, set()).add(value)
        return found

    ours = colours(ROOT / "src/marey/study/page.css")
    theirs = colours(ROOT / "src/marey/report/style.css")
    assert len(ours) > 8
    assert {name: values for name, values in ours.items() if theirs.get(name) != values} == {}


@in_browser
def test_keys_vote_and_undo_and_both_videos_run_in_step(page: Path):
    with Browser() as browser:
        begin(browser, page.as_uri())
        browser.until("[...document.querySelectorAll('video')].every(v => !v.paused && v.readyState >= 2)")
        browser.until("document.querySelector('video').currentTime > 0.2")
        apart = browser.ask(
            "new Promise(r => { const seen = []; const [a, b] = document.querySelectorAll('video');"
            "const look = () => { if (!a.ended && !b.ended && !a.seeking && !b.seeking)"
            " seen.push(Math.abs(a.currentTime - b.currentTime));"
            " seen.length < 90 ? requestAnimationFrame(look) : r(seen); }; look(); })"
        )
        # A loop and more; a frame lasts an eighth of a second. A busy machine may be late now and then.
        assert sum(one < 0.125 for one in apart) > 0.8 * len(apart)
        first = browser.ask("document.querySelector('video').src")
        for n, key in enumerate(["ArrowLeft", "ArrowRight", "ArrowDown"], 1):
            browser.press(key)
            ready(browser, n)
        assert [one["vote"]["choice"] for one in kept(browser)] == ["left", "right", "tie"]
        second = browser.ask("document.querySelector('video').src")
        browser.press("u")
        ready(browser, 2)
        assert [one["vote"]["choice"] for one in kept(browser)] == ["left", "right"]
        browser.press("ArrowRight")
        ready(browser, 3)
        assert browser.ask("document.querySelector('video').src") == second, "the pair that was next comes again"
        assert first != second
        votes = [one["vote"] for one in kept(browser)]
        assert votes[2]["choice"] == "right"
        assert len({vote["key"] for vote in votes}) == 3
        assert browser.said == []


@in_browser
def test_offline_votes_come_back_as_a_file(page: Path, library: Path, tmp_path: Path):
    with Browser() as browser:
        browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        begin(browser, page.as_uri(), "Ada <b>")
        for n in range(1, 7):
            browser.press("ArrowLeft" if n % 2 else "ArrowDown")
            if n < 6:
                ready(browser, n)
        browser.until("document.body.dataset.ended === '6'")
        assert browser.ask("document.querySelector('#total').textContent") == "6 votes"
        browser.click("#save")
        saved = tmp_path / "votes-looks-Ada-b-.json"
        browser.until("true")
        for _ in range(200):
            if saved.is_file() and saved.stat().st_size:
                break
            browser.ask("new Promise(r => setTimeout(r, 30))")
        # A closed page costs nothing: opened again it goes on.
        browser.open(page.as_uri())
        browser.click("#nickname")
        browser.type("Ada <b>")
        browser.press("Enter")
        ready(browser, 6)
        assert browser.ask("document.querySelector('#count').textContent").startswith("6 of")
        assert browser.said == []
    with Library.open(library, write=True) as store:
        taken = take(store, read(store, "looks"), json.loads(saved.read_text()), "file")
        assert (taken.new, taken.refused) == (6, {})
        assert {row["voter"] for row in store.rows("select voter from votes")} == {"Ada <b>"}


@in_browser
@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640), (844, 390), (1280, 800)])
def test_it_fits_the_window_whole(page: Path, width: int, height: int, tmp_path: Path):
    with Browser(width, height, touch=width < 900) as browser:
        begin(browser, page.as_uri())
        while browser.ask("document.querySelector('#caption').hidden"):
            given = int(browser.ask("document.body.dataset.ready"))
            browser.click("[data-choice=tie]")
            ready(browser, given + 1)
        assert browser.ask("document.documentElement.scrollWidth") <= width
        boxes = browser.ask(
            "[...document.querySelectorAll('.side, [data-choice], #undo')].map(e => {"
            " const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom, b.height]; })"
        )
        for left, top, right, bottom, tall in boxes:
            assert left >= 0
            assert right <= width
            assert tall >= 24
            if (width, height) != (844, 390):  # on its side a small phone scrolls a little
                assert top >= 0
                assert bottom <= height + 1
        widths = browser.ask("[...document.querySelectorAll('.side')].map(e => e.getBoundingClientRect().width)")
        assert min(widths) >= 118


class Served:
    """The server in a thread of its own, which holds the library."""

    def __init__(self, library: Path) -> None:
        self.address = ""
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(library,), daemon=True)

    def _work(self, library: Path) -> None:
        serve(library, lambda store: read(store, "looks"), port=0, goal=5, until=self._stop.is_set, ready=self._answers)

    def _answers(self, address: str) -> None:
        self.address = address
        self._ready.set()

    def __enter__(self) -> "Served":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def call(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = {"Content-Type": "application/json", **{name.replace("_", "-"): said for name, said in headers.items()}}
        request = urllib.request.Request(self.address + path, data=data, headers=asked)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                content = answer.read()
                kind = answer.headers.get_content_type()
                return answer.status, json.loads(content) if kind == "application/json" else content
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture
def served(library: Path) -> Iterator[Served]:
    with Served(library) as server:
        yield server


def test_the_server_answers_only_what_it_should(served: Served, library: Path):
    status, page = served.call("")
    assert status == 200
    assert b"motion-drop" not in page
    status, said = served.call("api/trials", {"voter": "Ada", "asked": 0})
    assert status == 200
    trial = said["trials"][0]
    status, video = served.call(f"media/{trial['left']}.mp4")
    assert (status, video[4:8]) == (200, b"ftyp")
    assert served.call("media/..%2f..%2f..%2flibrary.db")[0] == 404
    assert served.call("media/library.db")[0] == 404
    assert served.call("docs")[0] == 404
    # Another site in the same browser, and a name that leads here from outside.
    assert served.call("api/votes", {}, Origin="https://example.org")[0] == 403
    assert served.call("", None, Host="example.org")[0] == 403
    assert served.call("api/votes", b"x=1", Content_Type="application/x-www-form-urlencoded")[0] == 415
    assert served.call("api/votes", b"{")[0] == 400
    assert served.call("api/votes", b"[" * 200_000)[0] == 400
    assert served.call("api/votes", b" " * 2_000_000)[0] == 413
    assert served.call("api/votes", {"marey_votes": 1, "study": "looks", "voter": "", "votes": []})[0] == 400
    assert served.call("api/trials", {"voter": "Ada", "asked": "many"})[0] == 200


@in_browser
def test_votes_arrive_as_they_are_given_and_undo_takes_them_back(library: Path):
    with Served(library) as server, Browser() as browser:
        begin(browser, server.address, "Bob")
        for n, key in enumerate(["ArrowLeft", "ArrowRight", "ArrowDown"], 1):
            browser.press(key)
            ready(browser, n)
        browser.press("Backspace")
        ready(browser, 2)
        browser.press("ArrowRight")
        ready(browser, 3)
        for n in (4, 5):
            browser.click("[data-side=left]" if n == 4 else "[data-choice=right]")
            if n == 4:
                ready(browser, n)
        browser.until("document.body.dataset.ended === '5'")
        assert browser.ask("document.querySelector('#sent').textContent").startswith("All of them have arrived")
        assert browser.said == []
    with Library.open(library) as store:
        rows = store.rows("select * from votes order by id")
    assert [row["choice"] for row in rows] == ["left", "right", "right", "left", "right"]
    assert {row["voter"] for row in rows} == {"Bob"}
    assert all(0 <= row["milliseconds"] < 60_000 for row in rows)
