"""What a metric of single videos is: a description, and a class that takes a video frame by frame.

A metric is one class in `dimensions/`, registered in `dimensions/__init__.py`. It sees a frame and the one before, so
that memory does not grow with the length of a video.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from marey.evaluate.views import Step

if TYPE_CHECKING:
    from marey.evaluate.models import Models

Family = Literal["fidelity", "movement", "consistency", "appearance", "text", "sets"]


@dataclass(frozen=True)
class Metric:
    """What a number is called, what exactly it is, and which way is better."""

    name: str
    id: str
    """The variant; numbers with different ids are not compared. Where a network of the user's is in it, the hash of
    that stands in a record beside it."""
    title: str
    unit: str
    better: Literal["higher", "lower", "near truth"]
    says: str
    """One sentence for a reader."""
    family: Family = "fidelity"
    needs: tuple[str, ...] = ()
    """"truth", "text", and names of `Models`."""

    @property
    def models(self) -> tuple[str, ...]:
        """The networks that it needs."""
        return tuple(need for need in self.needs if need not in ("truth", "text"))


@dataclass(frozen=True)
class Subject:
    """What a measure may know of the video beside its frames."""

    models: "Models"
    text: str = ""
    fps: float = 0.0
    """Frames a second; 0 where it is not known."""


class Measure(ABC):
    """A metric at work on one video."""

    about: ClassVar[Metric]

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    @abstractmethod
    def add(self, step: Step) -> None:
        """The next scored frame."""

    @abstractmethod
    def value(self) -> float | None:
        """Of all the frames; None where there were too few of them."""


class MeanMeasure(Measure):
    """A metric that is the mean of what `of` says of each frame that it says anything of."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._n, self._sum = 0, 0.0

    @abstractmethod
    def of(self, step: Step) -> float | None:
        """Of one frame; None: it does not count."""

    def add(self, step: Step) -> None:
        found = self.of(step)
        if found is not None:
            self._n += 1
            self._sum += found

    def value(self) -> float | None:
        return self._sum / self._n if self._n else None
