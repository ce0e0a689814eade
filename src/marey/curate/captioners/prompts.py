"""What captioners are asked, where the recipe says nothing else. A changed prompt writes its captions anew."""

from marey.curate.captioner import Column

IMAGE = (
    "Describe this picture in one or two plain sentences: what is in it, where it is, the light and the colours. "
    "Say only what can be seen. Do not begin with 'The image'."
)
VIDEO = (
    "These are frames of one video clip, in order. Describe in one or two plain sentences what happens: who or what "
    "moves and how, and how the camera moves. Say only what can be seen. Do not begin with 'The video'."
)
MERGED = (
    "Two captions of the same video clip follow. The first was written from its middle frame, the second from all of "
    "it. Write one caption of one or two plain sentences that says what both say together. Add nothing. Where they "
    "contradict each other, leave it out. Answer with the caption alone.\n"
    "First: {image}\n"
    "Second: {video}"
)
_PROMPTS: dict[Column, str] = {"image": IMAGE, "video": VIDEO, "merged": MERGED}


def prompt(column: Column, own: str = "") -> str:
    """The recipe's own prompt, or that of Marey."""
    return own or _PROMPTS[column]


def merging(text: str, image: str, video: str) -> str:
    """A prompt for merging with its two captions in place.

    >>> merging("{image} + {video}", "{video}?", "b")
    '{video}? + b'
    """
    before, mark, after = text.partition("{image}")
    parts = [before.replace("{video}", video)] + ([image, after.replace("{video}", video)] if mark else [])
    return "".join(parts)
