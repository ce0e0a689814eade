"""Freed memory that is kept is not faulted in again."""

import subprocess
import sys

import pytest

COUNT = """
import resource, sys
import torch
from marey.network.memory import keep_freed_memory

torch.set_num_threads(1)
kept = keep_freed_memory() if sys.argv[1] == "keep" else False
for round in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    x = torch.ones(16 * 2**20 // 4 * 3)  # 48 MB
    del x
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="page faults are not counted there")
def test_a_large_tensor_made_again_costs_no_page_faults():
    faults = {}
    for how in ("keep", "leave"):
        result = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True)
        kept, count = result.stdout.split()
        faults[how] = int(count)
        if how == "keep" and kept == "False":  # another allocator than glibc's is left alone
            return
    assert faults["keep"] < 100
    assert faults["leave"] > 5000
