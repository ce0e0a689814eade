"""Bands of images that are worked on side by side, on a thread each, where torch alone would share out every sum.

A band takes many small operations. Shared among threads, each of them waits for the slowest: on a machine that others
use as well, that is tens of milliseconds each. So each thread here has a band to itself, and works on it alone.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

import torch

_Band = TypeVar("_Band")
_Room = TypeVar("_Room")
_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}
os.register_at_fork(after_in_child=_pools.clear)  # threads do not come along


def side_by_side(work: Callable[[_Band, _Room], None], bands: Sequence[_Band], rooms: Sequence[_Room]) -> None:
    """Do the work on each band, without gradients, as many at a time as there are rooms: buffers of its own for each.

    Raises:
        whatever the work raises.
    """
    if len(rooms) == 1:
        for band in bands:
            work(band, rooms[0])
        return
    free: SimpleQueue[_Room] = SimpleQueue()
    for room in rooms:
        free.put(room)
    inference = torch.is_inference_mode_enabled()

    def one(band: _Band) -> None:
        room = free.get()
        try:
            with torch.inference_mode(inference), torch.no_grad():  # these are each thread's own
                work(band, room)
        finally:
            free.put(room)

    for _ in _pool(len(rooms)).map(one, bands):
        pass


def _pool(threads: int) -> ThreadPoolExecutor:
    """So many threads, on each of which torch is to use one."""
    with _lock:
        if threads not in _pools:
            usual = torch.get_num_threads()
            pool = ThreadPoolExecutor(threads, thread_name_prefix="marey-bands")
            met = threading.Barrier(threads)

            def begin(_: int) -> None:
                torch.get_num_threads()  # its first look at a thread would later overwrite what is set there
                torch.set_num_threads(1)
                met.wait()

            for _ in pool.map(begin, range(threads)):
                pass
            torch.set_num_threads(usual)  # for threads that begin later; ours keep theirs
            _pools[threads] = pool
        return _pools[threads]
