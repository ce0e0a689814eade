"""Between a recipe and the words that people write: TOML, overrides, and what is wrong with them."""

import difflib
import json
import tomllib
from typing import Any

from pydantic import BaseModel, ValidationError

from marey.errors import MareyError


def flattened(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables in a table under dotted names: TOML reads `text_area.max = 0.07` as a table."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        flat |= flattened(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def overridden(table: dict[str, Any], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise MareyError(
            f"The override {override!r} is not of the form section.key=value, such as train.video.steps=100."
        )
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word is a string
        if value == "none":
            value = (
                None  # TOML has no word for it; `footage.budget_seconds=none` lifts a limit that a shipped recipe sets
            )
    *sections, last = key.strip().split(".")
    copy = json.loads(json.dumps(table))
    place = copy
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise MareyError(f"The override {override!r} goes into {section!r}, which is a value, not a section.")
    place[last] = value
    return copy


def explained(recipe: type[BaseModel], error: ValidationError, where: str) -> str:
    lines = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        name = ".".join(path)
        if problem["type"] == "extra_forbidden":
            known = _known_keys(recipe, path[:-1])
            near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.0)
            lines.append(f"{name} is not a key{f'; the nearest is {near[0]!r}' if near else ''}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            said = f" is {problem['input']!r}" if not isinstance(problem["input"], dict) else ""
            lines.append(f"{name}{said}: {message[0].lower()}{message[1:]}")
    return f"In {where}: " + "; ".join(lines) + "."


def _known_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        field = model.model_fields.get(part)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return list(model.model_fields)


def to_toml(table: dict[str, Any], prefix: str = "") -> str:
    values = {key: value for key, value in table.items() if not isinstance(value, dict) and value is not None}
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    # JSON's strings, numbers, booleans and lists of them are TOML's too.
    text = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
    if prefix and (values or not tables):
        text = f"[{prefix}]\n{text}\n"
    elif values:
        text += "\n"
    return text + "".join(to_toml(value, f"{prefix}.{key}" if prefix else key) for key, value in tables.items())
