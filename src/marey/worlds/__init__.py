"""Footage with known truth: moving shapes, camera moves over photographs, composed edits."""

from marey.worlds.camera import MOVES, CameraMove, move
from marey.worlds.confounders import Confounder, confound
from marey.worlds.edits import Join, Transition, compose, draw
from marey.worlds.footage import make
from marey.worlds.scenes import KINDS, scene
from marey.worlds.shapes import Layer, Mover, Scene

__all__ = [
    "KINDS",
    "MOVES",
    "CameraMove",
    "Confounder",
    "Join",
    "Layer",
    "Mover",
    "Scene",
    "Transition",
    "compose",
    "confound",
    "draw",
    "make",
    "move",
    "scene",
]
