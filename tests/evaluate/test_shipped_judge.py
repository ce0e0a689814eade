"""The judge that comes with the package: right on plays that it never saw, and lost where nothing is to be seen."""

import numpy as np
import pytest

from marey.evaluate.judges import SHIPPED, Events
from marey.evaluate.known import EVENTS, Known, read_known
from marey.evaluate.record import Evaluation
from marey.evaluate.tasks import judge_events
from marey.worlds.game import play


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Known:
    place = tmp_path_factory.mktemp("golden")
    play(place, 42, seed=1891, workers=0)
    return read_known(place)


@pytest.fixture(scope="module")
def found(golden: Known) -> Evaluation:
    return judge_events(Events.open(), golden, least=6)


def told(evaluation: Evaluation, method: str, metric: str) -> float:
    row = evaluation.row(method, metric)
    assert row is not None
    return row.value


def test_it_is_small_and_says_where_it_comes_from() -> None:
    judge = Events.open()
    assert judge.names == EVENTS
    assert {"command", "seed", "steps", "world", "plays"} <= judge.card.keys()
    assert (SHIPPED / "judge.safetensors").stat().st_size < 2_000_000
    assert (SHIPPED / "train.log").is_file()


def test_it_is_right_on_plays_that_it_never_saw(found: Evaluation) -> None:
    assert told(found, "clips", "balanced accuracy") > 0.8
    assert told(found, "clips", "asked and found") > 0.8


def test_it_is_lost_where_nothing_is_to_be_seen(found: Evaluation) -> None:
    assert told(found, "shuffled", "balanced accuracy") < 0.6
    assert told(found, "frozen", "balanced accuracy") < 0.65
    assert told(found, "reversed", "balanced accuracy") < told(found, "clips", "balanced accuracy") - 0.05


def test_it_judges_short_clips_of_a_model_s_rate(golden: Known) -> None:
    """14 pictures, 7.5 a second: what such a clip still shows is found in it."""
    judge = Events.open()
    sure = judge(np.ascontiguousarray(golden.videos[:, :28:2]), fps=7.5)
    asked = np.array([["jump right" in each, "climb" in each] for each in golden.happened])
    which = [judge.names.index("jump right"), judge.names.index("climb")]
    # What is found in the first half happens in the whole.
    right = sure[:, which] > 0.5
    assert asked[right].mean() > 0.9
    assert right.any()
