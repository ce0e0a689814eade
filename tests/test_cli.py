"""The command line: what a user meets first, and each kind of mistake."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

VERBS = [
    "samples",
    "curate",
    "cuts",
    "select",
    "export",
    "encode",
    "train",
    "finetune",
    "presets",
    "generate",
    "animate",
    "imagine",
    "evaluate",
    "report",
    "run",
    "doctor",
    "forget",
]


def marey(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "marey", *words], capture_output=True, text=True, check=False, cwd=cwd, timeout=120
    )


def test_help_names_every_verb() -> None:
    said = marey("--help").stdout
    for verb in VERBS:
        assert f"\n  {verb} " in said


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_and_json(verb: str) -> None:
    ended = marey(verb, "--help")
    assert ended.returncode == 0
    assert "--json" in ended.stdout


@pytest.mark.parametrize("verb", ["encode", "train", "generate", "animate", "run"])
def test_each_verb_with_a_model_takes_a_device_and_a_dtype(verb: str) -> None:
    said = marey(verb, "--help").stdout
    assert "--device" in said
    assert "--dtype" in said


def test_version() -> None:
    import marey as package

    assert marey("--version").stdout == f"marey {package.__version__}\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["select", "nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["run", "no-such-recipe"], "no-such-recipe"),
        (["run", "tiny", "train.video.stepz=3"], "'steps'"),
        (["run", "tiny", "--footage", "nowhere"], "nowhere"),
        (["curate", "nowhere", "--out", "library"], "nowhere"),
        (["cuts", "no-such.mp4"], "no-such.mp4"),
        (["cuts", "no-such.mp4", "--cut", "2"], "curate.transitions.cut"),
        (["cuts", "no-such.mp4", "--strip", "strip.jpg"], ".png"),
        (["select", "library", "--drop", "motion"], "motion:25"),
        (["select", "library", "--drop", "motion:101"], "motion"),
        (["select", "library", "--grid", "motion", "--drop", "motion:5"], "--grid"),
        (["export", "nowhere"], "nowhere"),
        (["export", "library", "--as", "zip"], "webdataset"),
        (["animate", "no-such.png", "--model", "nowhere"], "nowhere"),
        (["animate", "no-such.png", "--size", "64"], "HEIGHTxWIDTH"),
        (["animate", "no-such.png", "--guidance-interval", "0.3"], "LOW:HIGH"),
        (["animate", "no-such.png", "--plan"], "--vram 8, 12, 16 or 24"),
        (["train", "library", "--dtype", "int8"], "bfloat16"),
        (["generate", "library", "--run", "../../elsewhere"], "plain name"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_mistake_is_one_sentence_and_status_1(words: list[str], named: str, tmp_path: Path) -> None:
    ended = marey(*words, cwd=tmp_path)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("marey: ")
    assert named in ended.stderr


def test_animate_hands_on_the_cache_and_the_interval_of_guidance(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from marey.cli import app
    from marey.generate import Model

    class Opened(Exception):
        pass

    class Fake:
        def animate(self, *_: object, **how: object) -> None:
            raise Opened(how)

    monkeypatch.setattr(Model, "open", lambda *_, **__: Fake())
    ended = CliRunner().invoke(app, ["animate", "still.png", "--cache", "0.2", "--guidance-interval", "0.3:6"])
    assert isinstance(ended.exception, Opened)
    (how,) = ended.exception.args
    assert how["cache"] == 0.2
    assert how["guidance_interval"] == (0.3, 6.0)
    plain = CliRunner().invoke(app, ["animate", "still.png"]).exception
    assert isinstance(plain, Opened)
    assert plain.args[0]["cache"] is None
    assert plain.args[0]["guidance_interval"] is None


def test_an_unknown_option_is_a_usage_error() -> None:
    assert marey("curate", "--nonsense").returncode == 2


def test_doctor_says_what_is_there() -> None:
    ended = marey("doctor", "--json")
    assert ended.returncode == 0, ended.stdout
    checks = {check["name"]: check for check in json.loads(ended.stdout)}
    assert checks["codecs"]["status"] == "ok"
    assert checks["torch"]["status"] == "ok"
    assert checks["disk"]["status"] == "ok"
