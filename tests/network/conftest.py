"""One thread: the tests are small, and several run at once."""

from collections.abc import Callable, Iterator

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of torch's threads, for a test."""
    yield torch.set_num_threads
    torch.set_num_threads(1)
