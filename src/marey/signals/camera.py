"""What the camera does, in the words of a film set, from how the picture moves.

A camera that pans to the right sees its picture move to the left. What is called a pan or a tilt here may be a camera
that travels: a flow that is the same all over the picture does not tell them apart.
"""

from dataclasses import dataclass

import numpy as np

from marey.signals.motion import MOTION, diagonal

STILL = 0.002
"""Share of the diagonal by which a camera that stands moves the picture in half a second at most."""
CLEAR = 0.5
"""The second strongest part of a move is at most this share of the strongest, or the move is mixed."""
STEADY = 0.6
"""The net of a part is at least this share of the sum of its lengths: a camera that goes to and fro is mixed."""
MOVES = ("static", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out", "roll", "mixed")


@dataclass(frozen=True)
class Move:
    """What the camera does in half a second, in the mean over a clip."""

    move: str
    """One of `MOVES`."""
    pan: float
    """Pixels of the source, positive to the right."""
    tilt: float
    """Pixels of the source, positive upwards."""
    zoom: float
    """Growth of the picture as a share, positive inwards."""
    roll: float
    """Degrees, positive where the camera turns clockwise."""


def camera_move(motion: np.ndarray, height: int, width: int) -> Move:
    """The camera's move in a clip.

    Args:
        motion: float (P, 7) with the columns of `MOTION`, P at least 1.
        height, width: of the source as shown.
    """
    column = dict(zip(MOTION, np.asarray(motion, np.float64).T, strict=True))
    y, x = np.mgrid[-0.5:0.5:33j, -0.5:0.5:33j]
    arm = float(np.hypot(x * width, y * height).mean())  # a zoom or roll moves the picture so far for each unit of it
    parts = {"pan": -column["right"], "tilt": column["down"], "zoom": column["zoom"], "roll": -column["rotation"]}
    net = {name: float(values.mean()) for name, values in parts.items()}
    reach = {"pan": 1.0, "tilt": 1.0, "zoom": arm, "roll": arm}
    length = {name: reach[name] * float(np.abs(values).mean()) for name, values in parts.items()}
    order = sorted(length, key=lambda name: -length[name])
    first, second = order[:2]
    if float(column["camera"].mean()) < STILL * diagonal(height, width):
        word = "static"
    elif length[second] > CLEAR * length[first] or reach[first] * abs(net[first]) < STEADY * length[first]:
        word = "mixed"
    else:
        ways = {"pan": ("pan right", "pan left"), "tilt": ("tilt up", "tilt down"), "zoom": ("zoom in", "zoom out")}
        word = ways.get(first, ("roll", "roll"))[0 if net[first] > 0 else 1]
    return Move(word, net["pan"], net["tilt"], net["zoom"], float(np.degrees(net["roll"])))
