"""What a folder of made clips says of whose work it is."""

from marey.worlds.batch import derived


def test_what_is_made_from_works_carries_their_licences_credits_and_origins() -> None:
    free = {"license": "CC0-1.0", "origin": ["a/1"]}
    bound = {"license": "CC-BY-2.0", "credit": "B.", "origin": ["b/1", "b/2"]}
    assert derived("x", {})["source"] == "made by Marey"
    assert derived("x", {"a.png": free})["license"] == "CC0-1.0"
    both = derived("x", {"b.png": bound, "a.png": free})
    assert both == {
        "license": "CC-BY-2.0",
        "source": "made by Marey (worlds) from a.png, b.png",
        "credit": "B.",
        "origin": ["a/1", "b/1", "b/2"],
    }
    assert derived("x", {"b.png": bound, "c.png": {"license": "MIT"}})["license"] == "CC-BY-2.0 AND MIT"
    unknown = derived("x", {"a.png": free, "c.png": {}})
    assert (unknown["license"], unknown["origin"]) == ("unknown", ["a/1", "c.png"])
