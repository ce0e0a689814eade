"""Contact sheets around thresholds: the right clips, from kept stills, and a decode only where there is none."""

import sys
from pathlib import Path

import numpy as np
import pytest
from counting import counted
from filming import film
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from made_library import add_clip, add_footage, group, new

from marey.catalog import draw_sheets, select
from marey.catalog import sheets as sheeting
from marey.media import jpeg_bytes
from marey.recipe import Select


@pytest.fixture
def library(tmp_path):
    """Twenty clips, each of whose stills is of one grey: ten times its number."""
    with new(tmp_path) as library:
        add_footage(library, "video")
        stills = {}
        for n in range(20):
            more = {"duplicate_group": group("g")} if n in (17, 18) else {}
            frames = [n * 24, n * 24 + 11, n * 24 + 23]
            add_clip(
                library,
                f"c{n:02}",
                "video",
                {"motion": float(n), "sharpness": 1.0, **more},
                start_frame=frames[0],
                end_frame=frames[2],
                stills=frames,
            )
            for k, frame in enumerate(frames):
                gray = np.full((36, 64, 3), 10 * n + 40 if k == 1 else 0, np.uint8)
                stills[f"video:{frame}"] = np.frombuffer(jpeg_bytes(gray, 95), np.uint8)
        library.put_tensors("stills", stills)
        yield library


def test_each_rule_has_a_picture_of_the_nearest_clips_on_either_side(library, tmp_path, monkeypatch):
    shown = []
    real = sheeting.contact_sheet

    def watched(rows, labels=(), **how):
        shown.append(([[int(frame.mean()) for frame in row] for row in rows], list(labels)))
        return real(rows, labels, **how)

    monkeypatch.setattr(sheeting, "contact_sheet", watched)
    chosen = select(library, Select(drop={"motion": 50}, max={"motion": 100.0}))
    with counted() as count:
        drawn = draw_sheets(library, chosen, tmp_path / "sheets", each_side=3)
    assert count.opened == 0  # kept stills only
    assert [path.name for path in drawn] == ["drop.motion.png", "max.motion.png", "duplicates.png"]
    tiles = [(rows[0][0], labels[0]) for rows, labels in shown if len(rows) == 1 and len(rows[0]) == 1][:6]
    assert tiles == [(110, "7"), (120, "8"), (130, "9"), (140, "10"), (150, "11"), (160, "12")]
    sheet = next(labels for rows, labels in shown if len(rows) == 2)
    assert sheet == [
        "drop.motion: < 10 falls, 50 % asked for. 10 fall; the 3 nearest",
        "drop.motion: < 10 falls, 50 % asked for. 10 stay; the 3 nearest",
    ]
    picture = np.array(Image.open(drawn[0]))
    assert picture.shape[0] > 2 * 120
    assert [labels for rows, labels in shown if labels and "max.motion" in labels[0]] == [
        ["max.motion: > 100 falls. 20 stay; the 3 nearest"]
    ]
    assert any(labels == ["near-duplicates, a group of 2"] for _, labels in shown)


def test_a_clip_without_a_kept_still_is_decoded_up_to_its_middle(tmp_path):
    path = film(tmp_path / "a.mp4", 60)
    with new(tmp_path) as library:
        add_footage(library, "f", path=str(path))
        for n, motion in ((0, 1.0), (1, 2.0)):
            times = {"start_pts": n * 20 * 512, "end_pts": (n * 20 + 19) * 512}
            frames = {"start_frame": n * 20, "end_frame": n * 20 + 19, "frames": 20}
            add_clip(library, f"c{n}", "f", {"motion": motion}, **times, **frames)
        chosen = select(library, Select(min={"motion": 1.5}, duplicates="keep"))
        stills = sheeting.Stills(library)
        with counted() as count:
            draw_sheets(library, chosen, tmp_path / "sheets")
            assert 0 < count.pictures < 40
        row = sheeting._rows(library, ["c1"])[0]
        assert stills.middle(row).shape[2] == 3
        path.unlink()
        assert stills.middle(row).shape == (90, 160, 3)  # the source is gone: a grey picture in its place
        assert stills.decoded == 2
