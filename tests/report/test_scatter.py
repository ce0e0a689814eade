import re
import xml.etree.ElementTree as ET

from marey.report.scatter import Dot, scatter

DOTS = [
    Dot("one", "tone-model", 0.0, 1.0),
    Dot("a < b", "tone-frozen", 2.0, 0.5, (1.5, 2.5), (0.4, 0.6)),
    Dot("near it", "tone-loop", 2.0, 0.5),
]


def drawn(dots: list[Dot]) -> ET.Element:
    return ET.fromstring(str(scatter(dots, label="motion <and> more", x_name="px", y_name="")))


def test_each_dot_has_its_place_its_name_and_its_interval() -> None:
    svg = drawn(DOTS)
    circles = [one for one in svg if one.tag == "circle"]
    assert len(circles) == 3
    by_name = {one.text: one for one in svg if one.tag == "text"}
    assert {"one", "a < b", "near it"} <= set(by_name)
    first, second = (one for one in circles if "tone-model" in one.get("class", "")), circles
    left = next(first)
    assert float(left.get("cx", 0)) == min(float(one.get("cx", 0)) for one in second)
    assert float(left.get("cy", 0)) == min(float(one.get("cy", 0)) for one in second), "up is more"
    assert len([one for one in svg if one.tag == "line" and "whisker" in one.get("class", "")]) == 2


def test_names_at_one_place_do_not_lie_on_each_other() -> None:
    svg = drawn(DOTS)
    heights = [float(one.get("y", 0)) for one in svg if one.tag == "text" and one.text in ("a < b", "near it")]
    assert abs(heights[0] - heights[1]) >= 14


def test_all_in_one_place_and_nothing() -> None:
    assert re.search("<circle", str(scatter([Dot("x", "t", 1, 1)], label="", x_name="", y_name="")))
    assert str(scatter([], label="", x_name="", y_name="")) == ""
