"""Things seen from all sides: a camera goes once around at one height, and every picture's camera is known.

As in the multi-view experiments of Stable Video Diffusion (section 4.5): 21 views at even steps, the thing in the
middle, the camera's height between -5 and 30 degrees. Rendered off screen by VTK, without a graphics card too.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from marey.errors import require
from marey.worlds.things import Thing

VIEWS = 21
LOWEST, HIGHEST = -5.0, 30.0
"""Degrees above the horizon that a camera is drawn from."""
ANGLE = 35.0
"""The camera's vertical angle of view, in degrees."""
DISTANCE = 3.9
"""From the camera to the thing's middle; the thing has a radius of 1."""


@dataclass(frozen=True)
class Camera:
    """Where a picture was taken from."""

    azimuth: float
    """Degrees, counter-clockwise from the x axis as seen from above."""
    elevation: float
    """Degrees above the horizon."""
    distance: float = DISTANCE
    angle: float = ANGLE

    @property
    def position(self) -> np.ndarray:
        """x, y and z, float64 (3,)."""
        turn, up = np.radians(self.azimuth), np.radians(self.elevation)
        return self.distance * np.array([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)])

    @property
    def matrix(self) -> np.ndarray:
        """From world to camera, float64 (4, 4): x to the right, y down, z ahead, as in OpenCV."""
        ahead = -self.position / self.distance
        right = np.cross(ahead, (0, 0, 1))
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(ahead, right), ahead])
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn, -turn @ self.position
        return matrix

    def intrinsics(self, size: int) -> np.ndarray:
        """float64 (3, 3) of square pictures, in pixels; the middle of the first pixel is at 0.5."""
        focal = size / 2 / np.tan(np.radians(self.angle) / 2)
        return np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])

    def project(self, points: np.ndarray, size: int) -> np.ndarray:
        """Where points (N, 3) are seen: x and y in pixels (N, 2)."""
        seen = points @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        flat = seen @ self.intrinsics(size).T
        return flat[:, :2] / flat[:, 2:]


@dataclass(frozen=True)
class Orbit:
    """A thing, its light, and the cameras around it."""

    thing: Thing
    cameras: tuple[Camera, ...]
    size: int
    light: tuple[float, float]
    """Azimuth and elevation of the main light, in degrees."""
    sky: tuple[tuple[float, float, float], tuple[float, float, float]]
    """The background's colour below and above, 0..1."""

    @property
    def sentence(self) -> str:
        """What is to be seen."""
        return f"{self.thing.name}, seen from all sides"

    @cached_property
    def _seen(self) -> tuple[np.ndarray, np.ndarray]:
        return _render(self)

    @property
    def frames(self) -> np.ndarray:
        """uint8 RGB (V, size, size, 3)."""
        return self._seen[0]

    @property
    def masks(self) -> np.ndarray:
        """Where the thing is: bool (V, size, size)."""
        return self._seen[1]


def orbit(thing: Thing, rng: np.random.Generator, *, views: int = VIEWS, size: int = 256) -> Orbit:
    """An orbit around a thing; where it begins, its height, the light and the background are drawn at random.

    Raises:
        ValueError: fewer than two views, or a size under 16.
    """
    if views < 2 or size < 16:
        raise ValueError(f"{views} views of {size} pixels: 2 and 16 or more would do")
    first, up = float(rng.uniform(0, 360)), float(rng.uniform(LOWEST, HIGHEST))
    cameras = tuple(Camera((first + 360 * n / views) % 360, up) for n in range(views))
    light = (float(rng.uniform(0, 360)), float(rng.uniform(25, 65)))
    tone = rng.uniform(0.55, 0.95)
    below = tuple(float(v) for v in np.clip(tone * rng.uniform(0.85, 1.0, 3), 0, 1))
    above = tuple(float(v) for v in np.clip(np.array(below) + rng.uniform(-0.25, 0.1), 0, 1))
    return Orbit(thing, cameras, size, light, (below, above))  # type: ignore[arg-type]


def _render(one: Orbit) -> tuple[np.ndarray, np.ndarray]:
    vtk = require("vtk", "meshes")
    from vtkmodules.util.numpy_support import vtk_to_numpy

    vtk.vtkObject.GlobalWarningDisplayOff()  # it tells of a display that it does not need
    renderer = vtk.vtkRenderer()
    renderer.GradientBackgroundOn()
    renderer.SetBackground(one.sky[0])
    renderer.SetBackground2(one.sky[1])
    for part in one.thing.parts:
        renderer.AddActor(_actor(vtk, part))
    for turn, up, strength in ((0.0, one.light[1], 0.9), (150.0, 25.0, 0.55), (250.0, 10.0, 0.3), (0.0, 88.0, 0.3)):
        place = Camera(one.light[0] + turn, up, 8.0).position
        light = vtk.vtkLight()
        light.SetPosition(place)
        light.SetIntensity(strength)
        renderer.AddLight(light)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(one.size, one.size)
    window.AddRenderer(renderer)
    frames, masks = [], []
    for camera in one.cameras:
        view = renderer.GetActiveCamera()
        view.SetPosition(camera.position)
        view.SetFocalPoint(0, 0, 0)
        view.SetViewUp(0, 0, 1)
        view.SetViewAngle(camera.angle)
        view.SetClippingRange(camera.distance - 1.2, camera.distance + 1.2)
        window.Render()
        frames.append(_read(vtk, window, depth=False, to_numpy=vtk_to_numpy).reshape(one.size, one.size, 3)[::-1])
        masks.append(_read(vtk, window, depth=True, to_numpy=vtk_to_numpy).reshape(one.size, one.size)[::-1] < 1)
    window.Finalize()
    return np.ascontiguousarray(np.stack(frames)), np.ascontiguousarray(np.stack(masks))


def _actor(vtk: Any, part: Any) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

    points = vtk.vtkPoints()
    points.SetData(numpy_to_vtk(part.vertices, deep=True))
    cells = vtk.vtkCellArray()
    ends = np.arange(0, 3 * len(part.faces) + 1, 3)
    cells.SetData(
        *(numpy_to_vtkIdTypeArray(np.ascontiguousarray(one, np.int64), deep=True) for one in (ends, part.faces.ravel()))
    )
    mesh = vtk.vtkPolyData()
    mesh.SetPoints(points)
    mesh.SetPolys(cells)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(mesh)
    normals.SetFeatureAngle(45 if part.smooth else 1)
    normals.ConsistencyOn()
    normals.AutoOrientNormalsOn()
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputConnection(normals.GetOutputPort())
    actor = vtk.vtkActor()
    actor.SetMapper(mapper)
    look = actor.GetProperty()
    look.SetColor(*(value / 255 for value in part.colour))
    look.SetAmbient(0.32)
    look.SetDiffuse(0.8)
    look.SetSpecular(0.25)
    look.SetSpecularPower(30)
    return actor


def _read(vtk: Any, window: Any, *, depth: bool, to_numpy: Any) -> np.ndarray:
    reader = vtk.vtkWindowToImageFilter()
    reader.SetInput(window)
    reader.ReadFrontBufferOff()
    reader.ShouldRerenderOff()
    if depth:
        reader.SetInputBufferTypeToZBuffer()
    reader.Update()
    return to_numpy(reader.GetOutput().GetPointData().GetScalars()).copy()
