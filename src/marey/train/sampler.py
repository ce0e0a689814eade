"""Which windows a step sees where they are of several shapes: a batch has one shape, and a budget of pixels.

Like `batches.choose`, of which this is the kind for buckets, it is a pure function of the step: nothing is remembered,
every process draws the same batch and makes its own rows of it.
"""

from collections.abc import Sequence

from marey.train.batches import choose, permutation

Shape = tuple[int, int, int]
"""Frames, height and width."""


class Sampler:
    """The items of each step.

    Where all have one shape, they are one permutation of everything after another. Of several shapes an epoch is every
    bucket's own permutation cut into batches, the batches of all buckets shuffled; the last batch of a bucket is filled
    up with the first items of its permutation, so that an epoch holds every item at least once.

    Args:
        shapes: of the items.
        batch: items a step, where no budget is given.
        budget: pixels (frames x height x width) a step; a shape's batch is as many items as fit, at least one.
        seed, stage: what the order depends on beside the step.
    """

    def __init__(self, shapes: Sequence[Shape], batch: int, budget: int | None, seed: int, stage: str) -> None:
        self._count, self._seed, self._stage = len(shapes), seed, stage
        self._buckets: dict[Shape, list[int]] = {}
        for item, shape in enumerate(shapes):
            self._buckets.setdefault(shape, []).append(item)
        self._sizes = {
            shape: batch if budget is None else max(1, budget // (shape[0] * shape[1] * shape[2]))
            for shape in self._buckets
        }
        self._plan = [
            (shape, n)
            for shape in sorted(self._buckets)
            for n in range(-(-len(self._buckets[shape]) // self._sizes[shape]))
        ]

    def size(self, step: int) -> int:
        """Items of step `step`, from 0."""
        return self._sizes[self.shape(step)]

    def shape(self, step: int) -> Shape:
        """The shape of the items of a step."""
        if len(self._buckets) == 1:
            return next(iter(self._buckets))
        return self._at(step)[0]

    def chosen(self, step: int) -> list[int]:
        """The items of a step, all of one shape."""
        if len(self._buckets) == 1:
            return choose(self._count, self.size(step), self._seed, self._stage, step)
        shape, number = self._at(step)
        items, size = self._buckets[shape], self._sizes[shape]
        order = permutation(len(items), self._seed, self._stage, "bucket", *shape, step // len(self._plan))
        return [items[order[n % len(items)]] for n in range(number * size, (number + 1) * size)]

    def _at(self, step: int) -> tuple[Shape, int]:
        """The bucket of a step, and which of its batches."""
        epoch, place = divmod(step, len(self._plan))
        return self._plan[permutation(len(self._plan), self._seed, self._stage, "batches", epoch)[place]]
