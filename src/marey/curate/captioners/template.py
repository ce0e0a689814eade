"""The captioners that need no model: what was measured, in sentences; and two captions side by side."""

from collections.abc import Sequence

from marey.curate import caption
from marey.curate.captioner import Captioner, Seen, Told


class FactsCaptioner(Captioner):
    """`facts`, `image` and `video` from the signals and the trace."""

    name, version = "facts", f"facts@{caption.VERSION}"
    processes, batch = 0, 256

    @property
    def needs(self) -> tuple[str, ...]:
        """What the column tells of."""
        return {"image": caption.OF_STILL, "video": caption.OF_MOTION}.get(self.column, caption.OF_CLIP)

    def tell(self, clips: Sequence[Seen]) -> dict[str, Told]:
        """One sentence a clip."""
        return {clip.id: self._told(clip) for clip in clips}

    def _told(self, clip: Seen) -> Told:
        known = caption.facts(clip.clip, clip.signals, *clip.signature, photo=clip.footage["kind"] == "photo")
        say = {"facts": caption.of_clip, "image": caption.of_still, "video": caption.of_motion}[self.column]
        return Told.of(say(known))


class JoinedCaptions(Captioner):
    """`merged` without a language model."""

    name, version = "facts", "joined@1"
    processes, batch = 0, 256

    def tell(self, clips: Sequence[Seen]) -> dict[str, Told]:
        """Both in one sentence."""
        return {clip.id: Told.of(caption.joined(clip.captions["image"], clip.captions["video"])) for clip in clips}
