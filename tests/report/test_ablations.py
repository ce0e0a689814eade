"""The table of ablations as Markdown, and its pictures as files that stand by themselves."""

import xml.etree.ElementTree as ET

from marey.report.ablations import Told, gains, markdown, progress

ROWS = [
    Told("a", "first <against> second", 5, "better", ["+10", "-"], 10.0, 5.0, 15.0),
    Told("b", "third against fourth", 1, "one seed tells nothing", ["-1", "-"], -1.0, None, None),
    Told("b", "fifth against sixth", 0, "nothing yet", ["-", "-"], None, None, None),
]
CLAIMS = {"a": "One", "b": "Two", "c": "Three"}


def test_a_table_a_claim_with_its_notes():
    text = markdown(ROWS, CLAIMS, ["loss", "PSNR"], ["PARTIAL: 1 of 2.", ""])
    assert text.startswith("**PARTIAL: 1 of 2.**\n")
    assert "### (a) One" in text
    assert "Three" not in text
    assert "| third against fourth | 1 | one seed tells nothing | -1 | - |" in text
    rows = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(rows) == {6}


def test_pictures_are_well_formed_and_hold_what_was_measured():
    drawing = ET.fromstring(gains(ROWS))
    assert drawing.tag.endswith("svg")
    text = "".join(drawing.itertext())
    assert "(a) first <against> second" in text
    assert "sixth" not in text
    curves = progress({"curated": [(100, 0.5), (200, 0.4)], "absent": []}, "how it fell")
    text = "".join(ET.fromstring(curves).itertext())
    assert "curated" in text
    assert "absent" not in text
    assert progress({"absent": []}, "nothing") == ""
    assert gains(ROWS[2:]) == ""
