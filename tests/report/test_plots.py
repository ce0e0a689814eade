import re

import pytest
from markupsafe import Markup

from marey.report.plots import Axis, Line, Mark, Series, Whisker, curves, histogram, legend, short, ticks, whiskers


def numbers(svg: str, tag: str, attribute: str, tone: str = "") -> list[float]:
    found = re.findall(rf"<{tag} [^>]*?/?>", svg)
    return [float(re.search(rf' {attribute}="([-\d.]+)"', one)[1]) for one in found if tone in one]


def test_a_histogram_counts_all_and_stacks_them() -> None:
    kept, out = Series("kept", "tone-kept", [1.0, 1.1, 2.0, 5.0]), Series("out", "tone-out", [0.0, 1.05])
    svg = histogram([kept, out], label="six clips", unit="px", bins=10)
    heights = numbers(svg, "rect", "height")
    one = min(heights)
    assert sum(heights) / one == pytest.approx(6, abs=0.1)
    assert sum(numbers(svg, "rect", "height", "tone-out")) / one == pytest.approx(2, abs=0.05)
    assert 'role="img"' in svg
    assert 'aria-label="six clips"' in svg


def test_a_threshold_stands_between_the_bars_that_it_parts() -> None:
    svg = histogram([Series("all", "t", [1, 2, 3, 4, 5, 6, 7, 8])], label="", marks=[Mark(4.5, "here")], bins=16)
    mark = numbers(svg, "line", "x1", "mark")[0]
    bars = sorted(numbers(svg, "rect", "x"))
    assert bars[3] < mark < bars[4] + 1
    assert ">here</text>" in svg


def test_a_skewed_signal_gets_a_logarithmic_axis_and_a_plain_one_does_not() -> None:
    skewed, plain = Axis.of([0.1, 0.2, 0.3, 0.4, 90.0], 0, 100), Axis.of([1, 2, 3, 4, 5], 0, 100)
    assert skewed.bend is not None
    assert skewed(0.3) > 10, "the small ones are not squeezed into a corner"
    assert plain.bend is None
    for axis in (skewed, plain):
        places = [axis(tick) for tick in axis.ticks()]
        assert places == sorted(places)
        assert len(places) >= 2
    assert skewed(0.0) == 0
    assert skewed(90.0) == 100


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [0.0, 0.0], [-1.0, 1.0]])
def test_odd_data_still_has_a_plot(values: list[float]) -> None:
    assert histogram([Series("x", "t", values)], label="odd").count("<rect") >= 1


def test_no_data_no_plot() -> None:
    assert histogram([Series("x", "t", [])], label="none") == ""
    assert curves([Line("x", "t", [], [])], label="none", x_name="", y_name="") == ""
    assert whiskers([], label="none") == ""


def test_a_falling_curve_falls() -> None:
    svg = curves(
        [Line("loss", "t", [1, 2, 3], [9.0, 5.0, 1.0], dots=True)], label="falls", x_name="step", y_name="loss"
    )
    points = [tuple(map(float, one.split(","))) for one in re.search(r'points="([^"]+)"', svg)[1].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points), "y grows downwards on a screen"
    assert svg.count("<circle") == 3


def test_a_wild_step_does_not_set_the_scale() -> None:
    calm = Line("smooth", "t", [1, 2, 3], [1.0, 0.9, 0.8])
    wild = Line("each step", "t", [1, 2, 3], [1.0, 500.0, 0.8], faint=True)
    svg = curves([wild, calm], label="", x_name="", y_name="")
    inside = [float(y) for points in re.findall(r'points="([^"]+)"', svg) for y in re.findall(r",([-\d.]+)", points)]
    assert min(inside) >= 0
    strong = re.search(r'class="line strong t" points="([^"]+)"', svg)[1]
    ys = [float(pair.split(",")[1]) for pair in strong.split()]
    assert max(ys) - min(ys) > 60, "the calm curve still fills the plot"


def test_a_whisker_spans_its_interval() -> None:
    rows = [Whisker("model", "tone-model", 2.0, 1.0, 3.0), Whisker("frozen", "tone-frozen", 4.0, None, None)]
    svg = whiskers(rows, label="two", unit="dB")
    low, high = numbers(svg, "line", "x1", "whisker")[0], numbers(svg, "line", "x2", "whisker")[0]
    centre = numbers(svg, "circle", "cx", "tone-model")[0]
    assert low < centre < high
    assert centre == pytest.approx((low + high) / 2, abs=0.2)
    assert numbers(svg, "circle", "cx", "tone-frozen")[0] > high
    assert svg.count('class="whisker') == 1, "no interval, no whisker"


def test_every_text_is_escaped() -> None:
    bad = '<script>"&'
    for svg in (
        histogram([Series(bad, "t", [1, 2])], label=bad, unit=bad, marks=[Mark(1, bad)]),
        curves([Line(bad, "t", [1, 2], [1, 2])], label=bad, x_name=bad, y_name=bad),
        whiskers([Whisker(bad, "t", 1, 0, 2)], label=bad, unit=bad),
        legend([Series(bad, "t", [1])]),
    ):
        assert isinstance(svg, Markup)
        assert "<script" not in svg
        assert "&lt;script&gt;" in svg


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0, 10, [0, 2, 4, 6, 8, 10]), (0.13, 0.38, [0.15, 0.2, 0.25, 0.3, 0.35]), (3, 3, [3])]
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 5) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (1234.5, "1234"),
        (12, "12"),
        (12.34, "12.3"),
        (0.5, "0.50"),
        (0.01234, "0.012"),
        (-2.345, "\u22122.35"),
        (1e-5, "1e-05"),
    ],
)
def test_short_numbers(value: float, said: str) -> None:
    assert short(value) == said
