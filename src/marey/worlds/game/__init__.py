"""The world of Jules: a platform game that plays itself, in which everything is known."""

from marey.worlds.game.clip import Clip, clip, frames_of
from marey.worlds.game.footage import play

__all__ = ["Clip", "clip", "frames_of", "play"]
