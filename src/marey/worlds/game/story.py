"""What happens in a clip, as a list of deeds, as a sentence from them, and back from the sentence to the deeds.

A deed is one thing that Jules does or that befalls it. Movements shorter than five frames are none; jumps of one kind
in a row are counted together, and so are coins.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from marey.worlds.game.engine import State
from marey.worlds.game.hero import NAME, WALK
from marey.worlds.game.level import Level
from marey.worlds.game.tiles import DEADLY, MONSTERS

SHORTEST = 5
"""Frames that a movement lasts to be told of."""
_SIDES = {1: "to the right", -1: "to the left", 0: ""}


@dataclass(frozen=True)
class Deed:
    """One thing that happens."""

    verb: str
    """walk, run, jump, climb, duck, stand, coin, gem, stomp, hit, killed or goal."""
    side: int = 0
    """1 to the right, -1 to the left; of climbing 1 is down and -1 up; 0: neither."""
    what: str = ""
    """The monster, or lava: stomped, hit by, killed by, or jumped over."""
    count: int = 1
    """Of jumps and coins: how many."""


def deeds(states: Sequence[State], level: Level) -> list[Deed]:
    """The deeds of consecutive states, in order."""
    found: list[tuple[int, Deed]] = []
    start = 0
    while start < len(states):
        mode = _mode(states[start])
        stop = start + 1
        while stop < len(states) and _mode(states[stop]) == mode:
            stop += 1
        deed = _movement(mode, states[start:stop], level)
        if deed is not None:
            found.append((start, deed))
        start = stop
    for n, state in enumerate(states):
        for event in state.events:
            if event.kind in ("coin", "gem", "stomp", "hit", "killed", "goal"):
                found.append((n, Deed(event.kind, what=event.what)))
    found.sort(key=lambda pair: pair[0])
    return _merged([deed for _, deed in found])


def tell(done: Sequence[Deed]) -> str:
    """The plain sentence about some deeds; `parse` reads it."""
    return _sentence([_clause(deed) for deed in done])


def parse(text: str) -> list[Deed]:
    """The deeds that a sentence of `tell` is about.

    Raises:
        ValueError: it is none of its sentences.
    """
    if not text.startswith(f"{NAME} ") or not text.endswith("."):
        raise ValueError(f"{text!r} is no sentence about {NAME}")
    clauses = re.split(r", and |, | and then ", text[len(NAME) + 1 : -1])
    return [_deed(clause) for clause in clauses if clause != "does nothing"]


def paraphrase(done: Sequence[Deed], rng: np.random.Generator) -> str:
    """The same in other words, by a small grammar: what happens is told, in order; what is dull may be left out."""
    kept = [deed for deed in done if deed.verb not in ("stand", "walk") or len(done) < 3 or rng.random() < 0.6] or list(
        done
    )
    clauses = [_other_words(deed, rng) for deed in kept]
    name = str(rng.choice([NAME, NAME, "the hero", "little Jules", "Jules in the red hood"]))
    where = "" if rng.random() < 0.8 else str(rng.choice(["In this clip, ", "Here ", "Watch: "]))
    joint = str(rng.choice([", then ", " and then "])) if rng.random() < 0.5 and len(clauses) < 5 else ""
    body = joint.join(clauses) if joint else _joined(clauses)
    text = f"{where}{name} {body}."
    return text[0].upper() + text[1:]


def _mode(state: State) -> tuple[str, int]:
    if state.pose == "walk":
        return ("run" if abs(state.vx) > WALK + 0.02 else "walk"), (1 if state.vx > 0 else -1)
    if state.pose == "climb":
        return "climb", 0
    if state.pose in ("jump", "hit"):
        return state.pose, 0
    return state.pose, 0


def _movement(mode: tuple[str, int], states: Sequence[State], level: Level) -> Deed | None:
    kind, side = mode
    if len(states) < SHORTEST or kind == "hit":
        return None
    if kind == "jump":
        way = states[-1].x - states[0].x
        side = 0 if abs(way) < 0.5 else 1 if way > 0 else -1
        leapt = any(event.kind == "jump" for event in states[0].events)
        return Deed("jump", side, _below(states, level)) if leapt else None
    if kind == "climb":
        way = states[-1].y - states[0].y
        return Deed("climb", 1 if way > 0 else -1) if abs(way) > 0.3 else None
    return Deed(kind, side)


def _below(states: Sequence[State], level: Level) -> str:
    """What a jump leads over: a monster that was passed from one side to the other, or lava."""
    first, last = states[0], states[-1]
    low, high = sorted((first.x, last.x))
    for n, monster in enumerate(level.monsters):
        if n in last.stomped:
            continue
        (before, y, _), (after, _, _) = monster.at(first.t - 1), monster.at(last.t - 1)
        passed = (before - first.x) * (after - last.x) < 0
        if passed and low - 0.5 < before < high + 0.5 and -0.6 < y - max(first.y, last.y) < 2.5:
            return monster.kind
    rows = level.grid[int(min(first.y, last.y)) :, int(low) + 1 : int(high)]
    tops = [next((int(tile) for tile in column if tile), 0) for column in rows.T]
    return "lava" if any(tile in DEADLY for tile in tops) else ""


def _merged(done: list[Deed]) -> list[Deed]:
    out: list[Deed] = []
    for deed in done:
        last = out[-1] if out else None
        if last is not None and replace(last, count=1) == deed:
            # One after the other of the same kind: counted if it can be counted, else one that was interrupted.
            out[-1] = replace(last, count=last.count + 1) if deed.verb in ("jump", "coin") else last
        else:
            out.append(deed)
    return out


def _clause(deed: Deed) -> str:
    side, what = _SIDES[deed.side], _named(deed.what)
    times = f" {deed.count} times" if deed.count > 1 else ""
    over = f" over {what}" if what else ""
    words = {
        "walk": f"walks {side}",
        "run": f"runs {side}",
        "jump": f"jumps {side or 'up'}{over}{times}",
        "climb": f"climbs {'down' if deed.side > 0 else 'up'} a ladder",
        "duck": "ducks",
        "stand": "stands still",
        "coin": "collects a coin" if deed.count == 1 else f"collects {deed.count} coins",
        "gem": "takes a gem for a shield",
        "stomp": f"stomps on {what}",
        "hit": f"loses the shield to {what}",
        "killed": "falls into lava" if deed.what == "lava" else f"is struck by {what}",
        "goal": "reaches the end",
    }
    return words[deed.verb]


_PATTERNS = {
    "walk": r"walks (?P<side>to the \w+)",
    "run": r"runs (?P<side>to the \w+)",
    "jump": r"jumps (?P<side>to the \w+|up)(?: over (?P<what>lava|an? \w+))?(?: (?P<count>\d+) times)?",
    "climb": r"climbs (?P<side>up|down) a ladder",
    "duck": r"ducks",
    "stand": r"stands still",
    "coin": r"collects (?P<count>a|\d+) coins?",
    "gem": r"takes a gem for a shield",
    "stomp": r"stomps on (?P<what>an? \w+)",
    "hit": r"loses the shield to (?P<what>an? \w+)",
    "killed": r"(?:falls into|is struck by) (?P<what>lava|an? \w+)",
    "goal": r"reaches the end",
}


def _deed(clause: str) -> Deed:
    for verb, pattern in _PATTERNS.items():
        match = re.fullmatch(pattern, clause)
        if match is None:
            continue
        said = {"side": "", "what": "", "count": "1"} | {key: value or "" for key, value in match.groupdict().items()}
        side = {"to the right": 1, "to the left": -1, "down": 1, "up": -1 if verb == "climb" else 0}.get(
            said["side"], 0
        )
        what = said["what"].split()[-1] if said["what"] else ""
        count = int(said["count"]) if said["count"].isdigit() else 1
        if what and what not in (*MONSTERS, "lava"):
            break
        return Deed(verb, side, what, count)
    raise ValueError(f"{clause!r} is nothing that {NAME} does")


def _named(what: str) -> str:
    if what in ("", "lava"):
        return what
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def _joined(clauses: Sequence[str]) -> str:
    if len(clauses) < 2:
        return "".join(clauses) or "does nothing"
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _sentence(clauses: Sequence[str]) -> str:
    return f"{NAME} {_joined(clauses)}."


def _other_words(deed: Deed, rng: np.random.Generator) -> str:
    side = {1: ("to the right", "rightwards"), -1: ("to the left", "leftwards"), 0: ("", "")}[deed.side]
    way, what = str(rng.choice(side)), _named(deed.what)
    high = {1: "down", -1: "up", 0: ""}[deed.side]
    several = {1: "", 2: " twice"}.get(deed.count, " several times")
    coins = {1: "a coin", 2: "two coins"}.get(deed.count, "some coins")
    over = f" over {what}" if what else ""
    choices = {
        "walk": (f"walks {way}", f"strolls {way}", f"goes {way}"),
        "run": (f"runs {way}", f"dashes {way}", f"hurries {way}"),
        "jump": (f"jumps {way}{over}{several}", f"leaps {way}{over}{several}", f"hops {way}{over}{several}"),
        "climb": (f"climbs {high} a ladder", f"goes {high} a ladder"),
        "duck": ("ducks", "crouches"),
        "stand": ("stands still", "waits", "rests"),
        "coin": (f"collects {coins}", f"picks up {coins}", f"gets {coins}"),
        "gem": ("takes a gem for a shield", "picks up a gem and is shielded"),
        "stomp": (f"stomps on {what}", f"jumps on {what}", f"flattens {what}"),
        "hit": (f"loses the shield to {what}", f"is shielded from {what}"),
        "killed": ("falls into lava", "ends in lava")
        if deed.what == "lava"
        else (f"is struck by {what}", f"runs into {what}"),
        "goal": ("reaches the end", "gets to the end of the level"),
    }
    return " ".join(str(rng.choice(choices[deed.verb])).split())
