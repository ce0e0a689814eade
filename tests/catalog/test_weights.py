"""Which caption is trained on, and how often."""

from collections import Counter

import pytest

from marey.catalog import caption_weights, drawn_caption, heaviest_caption
from marey.errors import MareyError
from marey.recipe import Recipe

PAPER = {"image": 0.5, "video": 0.25, "merged": 0.25}


def test_the_default_is_the_papers():
    assert Recipe.of({}).select.captions == PAPER | {"file": 1.0}  # a person's words weigh as much as all of them
    with pytest.raises(MareyError, match=r"captions\.image is -1"):
        Recipe.of({"select": {"captions": {"image": -1}}})


def test_what_a_clip_lacks_goes_to_the_others():
    said = {"image": "a", "video": "b", "merged": "c", "facts": "d"}
    assert caption_weights(said, PAPER) == PAPER
    assert caption_weights({"image": "a", "video": "b"}, PAPER) == pytest.approx({"image": 2 / 3, "video": 1 / 3})
    assert caption_weights({"image": "", "merged": "c"}, PAPER) == {"merged": 1.0}
    assert caption_weights({"facts": "d", "file": "e"}, PAPER) == {"file": 1.0}
    assert caption_weights({"facts": "d"}, PAPER) == {"facts": 1.0}
    assert caption_weights({"other": "d"}, PAPER) == {"other": 1.0}
    assert caption_weights(said, {"facts": 1.0, "image": 0.0}) == {"facts": 1.0}
    assert caption_weights({}, PAPER) == {}


def test_one_is_drawn_by_its_share_and_always_the_same():
    drawn = [drawn_caption(f"clip{n}", PAPER) for n in range(4000)]
    assert drawn == [drawn_caption(f"clip{n}", PAPER) for n in range(4000)]
    counts = Counter(drawn)
    for name, share in PAPER.items():
        assert counts[name] / 4000 == pytest.approx(share, abs=0.03)
    assert drawn_caption("clip", {}) is None
    assert heaviest_caption(PAPER) == "image"
    assert heaviest_caption({}) is None
