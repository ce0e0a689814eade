"""Clips for the base model: 14 frames of the world of Jules in which one event is well in view, none of them too often.

The plays are the game's own; what is chosen is where a clip begins, and the camera goes near: half of what the game
shows, with the hero a fifth of the picture's height, so that what he does is told by more than a few pixels. A clip is
asked for by one event and told by all that happens in it. Levels are never shared between what is trained on and what
is held out: their plays have other numbers.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marey.evaluate.known import RATE, SIZE, Known, cells_of_labels, events_of, moments_of
from marey.progress import Progress, silent
from marey.worlds.game import clip
from marey.worlds.game.engine import State
from marey.worlds.game.hero import FPS
from marey.worlds.game.level import Level, make_level
from marey.worlds.game.picture import VIEW, Painter, Picture
from marey.worlds.game.story import Deed, deeds, paraphrase, tell
from marey.worlds.game.tiles import FIRST_MONSTER

FRAMES, STEP = 14, FPS // RATE
SPAN = FRAMES * STEP
SEED, HELDOUT = 7077, 1_000_000
"""Of the plays, and the number of the first one that is held out."""
THEME = "meadow"
"""Of the levels: what five themes have in common is more than an hour of one core can teach."""
WIDE = 128
"""Pixels of the game's whole view, of which the near one is `SIZE`."""
_PLAY = 384
_EARLY, _LATE = 5, 19
"""Frames of a clip within which what is sudden has to happen, so that it is seen to come and to go."""
_MOST_DEEDS = 2
_FOLLOW = 0.35, 0.25
"""How much of its way to the hero the near view goes in a frame, across and down."""
_STANDS = 0.62
"""Where in the height of the view the hero's feet are."""

SHARES = {
    "walk right": 8, "walk left": 7, "run right": 8, "jump right": 11, "jump left": 8, "jump up": 8, "climb up": 8,
    "duck": 7, "stand": 5, "coin": 11, "stomp": 10, "gem": 3, "killed": 6,
}  # fmt: skip
"""Of the clips, in percent: the event that each is asked for."""
RARE_SHARES = {
    "walk right": 5, "walk left": 5, "run right": 6, "jump right": 10, "jump left": 8, "jump up": 9, "climb up": 6,
    "duck": 6, "stand": 4, "coin": 11, "stomp": 13, "gem": 4, "killed": 13,
}  # fmt: skip
"""Of the clips that a training ends with: more of what was rare."""


@dataclass(frozen=True)
class Chosen:
    """Clips of one length at `RATE` frames a second."""

    videos: np.ndarray
    """uint8 (N, FRAMES, SIZE, SIZE, 3)."""
    asked: list[str]
    """The event that a clip was chosen for; of `SHARES`."""
    texts: list[list[str]]
    """The plain sentence first, then others."""
    happened: list[list[str]]
    plays: list[int]
    things: np.ndarray
    """Where hero, monsters and items are: uint8 (N, FRAMES, SIZE / 4, SIZE / 4), how many of 16 pixels."""
    moments: np.ndarray | None = None
    """What judges learn from: uint8 (N, FRAMES, len(MOMENTS))."""
    cells: np.ndarray | None = None
    """As `marey.evaluate.known.Known` has them."""

    def known(self) -> Known:
        """As judges take them."""
        return Known(
            np.asarray(self.videos),
            tuple(each[0] for each in self.texts),
            tuple(frozenset(each) for each in self.happened),
            tuple(self.plays),
            self.moments,
            self.cells,
        )


@dataclass(frozen=True)
class _Window:
    play: int
    start: int
    event: str


def chosen(
    count: int,
    first: int,
    plays: int,
    progress: Progress = silent,
    *,
    shares: Mapping[str, int] = SHARES,
    truth: bool = False,
) -> Chosen:
    """About `count` clips from `plays` plays of the numbers from `first` on; fewer of an event that is too rare. With
    `truth` what is the case at each frame is kept, for judges to learn from."""
    found: dict[str, list[_Window]] = defaultdict(list)
    keys: dict[int, str] = {}
    numbers = (number for number in itertools.count(first) if theme_of(number) == THEME)
    for done, number in enumerate(itertools.islice(numbers, plays)):
        one = clip(SEED, number, _PLAY)
        keys[number] = one.keys
        for window in _windows(one.states, one.level, number):
            found[window.event].append(window)
        progress("playing", done + 1, plays)
    rng = np.random.default_rng([SEED, first, count])
    taken: list[_Window] = []
    for event, share in shares.items():
        most = round(count * share / 100)
        order = rng.permutation(len(found[event]))
        taken += [found[event][n] for n in order[:most]]
    taken.sort(key=lambda window: (window.play, window.start))
    out = np.empty((len(taken), FRAMES, SIZE, SIZE, 3), np.uint8)
    things = np.empty((len(taken), FRAMES, SIZE // 4, SIZE // 4), np.uint8)
    texts, happened, moments, cells = [], [], [], []
    last, one, painter = -1, None, None
    for n, window in enumerate(taken):
        if window.play != last:
            one = clip(SEED, window.play, _PLAY, keys=keys[window.play])
            painter, last = Painter(one.level, WIDE), window.play
        assert one is not None
        assert painter is not None
        states = one.states[window.start : window.start + SPAN]
        rgb, labels = near([painter.paint(state) for state in states[::STEP]], states[::STEP])
        out[n] = rgb
        things[n] = (labels >= FIRST_MONSTER).reshape(FRAMES, SIZE // 4, 4, SIZE // 4, 4).sum(axis=(2, 4))
        if truth:
            cells.append(np.stack([cells_of_labels(one) for one in labels]))
            rows = [
                {"pose": s.pose, "vx": s.vx, "vy": s.vy, "events": [(e.kind, e.what) for e in s.events]} for s in states
            ]
            moments.append(moments_of(rows, cells[-1], range(0, SPAN, STEP)))
        told = deeds(states, one.level)
        words = np.random.default_rng([SEED, window.play, window.start])
        texts.append([tell(told), *(paraphrase(told, words) for _ in range(3))])
        happened.append(sorted(events_of([vars(deed) for deed in told])))
        progress("drawing", n + 1, len(taken))
    return Chosen(
        out,
        [w.event for w in taken],
        texts,
        happened,
        [w.play for w in taken],
        things,
        np.stack(moments) if truth else None,
        np.stack(cells) if truth else None,
    )


def near(pictures: Sequence[Picture], states: Sequence[State]) -> tuple[np.ndarray, np.ndarray]:
    """What a camera near the hero sees, RGB (T, SIZE, SIZE, 3) and labels (T, SIZE, SIZE), of the whole views."""
    tile = WIDE // VIEW
    aims = np.array([(s.x - SIZE / tile / 2, s.y - _STANDS * SIZE / tile) for s in states])
    place, rgb, labels = aims[0], [], []
    for picture, state, aim in zip(pictures, states, aims, strict=True):
        place = place + np.array(_FOLLOW) * (aim - place)
        left, top = np.clip(np.rint((place - state.camera) * tile).astype(int), 0, WIDE - SIZE)
        here = slice(top, top + SIZE), slice(left, left + SIZE)
        rgb.append(picture.rgb[here])
        labels.append(picture.labels[here])
    return np.stack(rgb), np.stack(labels)


def theme_of(play: int) -> str:
    """The theme of a play's level."""
    rng = np.random.default_rng([SEED, play, 0xC11F])  # as `clip` makes the level
    return make_level(int(rng.integers(2**31))).theme


def save(some: Chosen, folder: Path) -> None:
    """videos.npy, things.npy and clips.json."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "videos.npy", some.videos)
    np.save(folder / "things.npy", some.things)
    table = {"asked": some.asked, "texts": some.texts, "happened": some.happened, "plays": some.plays}
    (folder / "clips.json").write_text(json.dumps(table))


def load(folder: Path) -> Chosen:
    """What `save` wrote."""
    import json

    table = json.loads((folder / "clips.json").read_text())
    return Chosen(np.load(folder / "videos.npy", mmap_mode="r"), things=np.load(folder / "things.npy"), **table)


def _windows(states: Sequence[State], level: Level, number: int) -> Iterator[_Window]:
    """Windows of a play that show an event well, far enough from each other."""
    last: dict[str, int] = {}
    for start in range(0, len(states) - SPAN + 1, 3):
        some = states[start : start + SPAN]
        done = deeds(some, level)
        if not 1 <= len(done) <= _MOST_DEEDS or some[0].pose in ("hit", "jump") or not _in_view(some[0]):
            continue
        for event in _shown(some, done):
            if start - last.get(event, -99) >= SPAN // 2:
                last[event] = start
                yield _Window(number, start, event)


def _in_view(state: State) -> bool:
    """Whether the game's camera has the hero well in view: after a fall it has yet to come to where he begins again."""
    x, y = state.x - state.camera[0], state.y - state.camera[1]
    return 0.5 < x < VIEW - 0.5 and 1.0 < y < VIEW


def _shown(states: Sequence[State], done: Sequence[Deed]) -> list[str]:
    """The events that are well in view."""
    sudden = {event.kind for n, state in enumerate(states) if _EARLY <= n <= _LATE for event in state.events}
    verbs = {deed.verb for deed in done}
    found = [name for name in ("coin", "stomp", "gem", "killed") if name in sudden]
    for deed in done:
        if deed.verb == "jump" and deed.count == 1 and "killed" not in verbs and _leaps(states):
            found.append(f"jump {({1: 'right', -1: 'left', 0: 'up'})[deed.side]}")
    if len(done) == 1:
        (deed,) = done
        if deed.verb in ("walk", "run"):
            found.append(f"{deed.verb} {'right' if deed.side > 0 else 'left'}")
        elif deed.verb == "stand":
            found.append("stand")
    if len(done) <= 2:
        for deed in done:
            if deed.verb == "climb" and deed.side < 0 and sum(s.pose == "climb" for s in states) > SPAN // 2:
                found.append("climb up")
            elif deed.verb == "duck" and sum(s.pose == "duck" for s in states) > SPAN // 2:
                found.append("duck")
    return [name for name in found if name in SHARES]


def _leaps(states: Sequence[State]) -> bool:
    """Whether a jump begins early and its top is seen."""
    begins = next((n for n, s in enumerate(states) if any(e.kind == "jump" for e in s.events)), None)
    if begins is None or begins > 12:
        return False
    air = [s for s in states[begins:] if s.pose == "jump"]
    return len(air) >= 10 and min(s.y for s in air) < states[begins].y - 0.8


if __name__ == "__main__":
    import sys
    import time
    from collections import Counter

    folder, count, plays, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    begun = time.process_time()
    some = chosen(count, first, plays)
    save(some, folder)
    print(len(some.asked), Counter(some.asked).most_common(), f"{time.process_time() - begun:.0f} s")
