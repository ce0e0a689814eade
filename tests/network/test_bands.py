"""Work on bands, side by side and one after the other."""

import threading

import pytest
import torch

from marey.network import bands
from marey.network.bands import side_by_side


@pytest.mark.parametrize("rooms", [1, 2, 3])
def test_each_band_is_worked_on_once_in_a_room_that_is_no_one_elses(rooms):
    done, taken, lock = [], set(), threading.Lock()

    def work(band: int, room: int) -> None:
        with lock:
            assert room not in taken
            taken.add(room)
            done.append(band)
        torch.ones(1000).sum()
        with lock:
            taken.remove(room)

    side_by_side(work, range(50), range(rooms))
    assert sorted(done) == list(range(50))


def test_what_a_band_raises_is_raised():
    def work(band: int, room: None) -> None:
        if band == 3:
            raise ValueError("the fourth")

    with pytest.raises(ValueError, match="the fourth"):
        side_by_side(work, range(6), [None, None])
    side_by_side(lambda band, room: None, range(6), [None, None])  # and the next ones are worked on


@pytest.mark.parametrize("threads", [1, 2])
def test_bands_have_one_thread_and_no_gradients_and_the_caller_keeps_its_own(torch_threads, threads, monkeypatch):
    monkeypatch.setattr(bands, "_pools", {})  # as in a process that has worked on no bands yet
    torch_threads(threads)
    seen = []
    weight = torch.ones(3, requires_grad=True)

    def work(band: int, room: None) -> None:
        seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled(), (weight * 2).requires_grad))

    for inference in (False, True):
        with torch.inference_mode(inference), torch.no_grad():
            side_by_side(work, range(4), [None] * 2)
        assert seen == [(1, inference, False)] * 4
        seen.clear()
    assert torch.get_num_threads() == threads
    side_by_side(work, range(4), [None] * 5)
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [threads]
