import pytest

from marey.catalog.select import Threshold
from marey.evaluate import Difference, Evaluation
from marey.report import words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "unknown"),
        (0.84, "0.8 s"),
        (42.4, "42 s"),
        (400, "6 min 40 s"),
        (59.7, "1 min 00 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00.0"), (65.32, "1:05.3"), (59.97, "1:00.0"), (600.0, "10:00.0")])
def test_moments(seconds: float, said: str) -> None:
    assert words.moment(seconds) == said


def test_counts_have_the_right_word() -> None:
    assert words.count(1, "clip") == "1 clip"
    assert words.count(0, "clip") == "0 clips"
    assert words.count(12300, "clip") == "12\N{NARROW NO-BREAK SPACE}300 clips"
    assert words.count(2, "video was", "videos were") == "2 videos were"
    assert words.count(3) == "3"


def test_shares_rates_and_sizes() -> None:
    assert words.amount(0.0123, "1") == "1.23\N{NARROW NO-BREAK SPACE}%"
    assert words.amount(24.0, "1/s") == "24 frames a second"
    assert words.amount(3.0, "grey levels^2") == "3 grey levels²"
    assert words.amount(3.5, "") == "3.50"
    assert words.memory(830) == "830 MB"
    assert words.memory(2150) == "2.1 GB"
    assert words.memory(None) == "not measured"
    assert words.percent(None) == "–"


def test_rules_are_said() -> None:
    threshold = Threshold("motion", "low", 1.2, 25.0, 40, 0)
    assert words.rule_said("drop.motion", threshold, 0.31, "px") == "Too little motion: 0.31 px, under 1.20 px"
    assert words.rule_title("drop.motion", threshold, "px") == "the lowest 25 % by motion: under 1.20 px"
    other = Threshold("zebras", "high", 7.0, None, 40, 0)
    assert words.rule_said("max.zebras", other, 9.0, "") == "zebras too high: 9, over 7"
    assert words.rule_title("max.zebras", other, "") == "zebras: over 7"
    assert "Near-duplicate" in words.rule_said("duplicates", None, None, "")
    nothing = Threshold("motion", "low", None, 25.0, 0, 3)
    assert words.rule_title("drop.motion", nothing, "px").endswith("no clip has a value")


def evaluation(**verdicts: str) -> Evaluation:
    gaps = [
        Difference("all", "model", "frozen", metric, "id", 0.0, 0.0, 0.0, 24, 8, "", "cluster-bootstrap", "", verdict)
        for metric, verdict in verdicts.items()
    ]
    return Evaluation({"id": "x"}, 24, 8, [], gaps, [], [], [], {}, 0, "")


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({"psnr": "better", "ssim": "better"}, "It comes closer to the truth than holding the still frozen, in pixels"),
        ({"psnr": "worse", "ssim": "worse"}, "It does not beat holding the still frozen"),
        ({"psnr": "worse", "ssim": "not distinguishable"}, "about as far in structure (SSIM)"),
        ({"psnr": "not distinguishable"}, "It cannot be told from holding the still frozen, in pixels (PSNR)."),
        (
            {"psnr": "better", "ssim": "worse"},
            "closer to the truth in pixels (PSNR); further from it in structure (SSIM).",
        ),
        ({"psnr": "better", "ssim": "too few groups to say"}, "There is too little held-out footage to say"),
    ],
)
def test_quality_says_what_the_differences_say_and_no_more(verdicts: dict[str, str], said: str) -> None:
    assert said in words.quality(evaluation(**verdicts))


def test_lists() -> None:
    assert words.listed([]) == ""
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
