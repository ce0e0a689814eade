"""One thread, since the tests are small and several run at once; and one encoded library for all that only read it."""

from collections.abc import Iterator

import pytest
import torch

from marey.catalog import Library
from marey.train.latents import EncodeSummary, encode

from . import made

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def encoding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Library, EncodeSummary]]:
    """Ten videos and two photographs, encoded; and what the encoding said."""
    with made.library(tmp_path_factory.mktemp("made"), videos=10) as store:
        run = store.path / "runs" / "encode"
        yield store, encode(store, made.ENCODE, "chosen", seed=0, run_folder=run, device="cpu")


@pytest.fixture(scope="session")
def encoded_library(encoding: tuple[Library, EncodeSummary]) -> Library:
    """The same library alone."""
    return encoding[0]
