"""Memory that is freed and asked for again in every step should not go back to the system in between."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEEP = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have glibc keep large freed blocks, for the life of the process. Returns whether that could be done.

    By default a tensor of more than some megabytes is mapped when it is made and unmapped when it is freed, and every
    page of the next one is faulted in and zeroed anew: a quarter of a training step on a CPU. Other systems' allocators
    are left alone. Nothing grows past its peak; freed memory stays with the process.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    return bool(mallopt(_MMAP_THRESHOLD, _KEEP)) and bool(mallopt(_TRIM_THRESHOLD, _KEEP))
