"""Memory that training keeps from step to step."""

import os
import platform
import resource
from pathlib import Path

import pytest
import torch

from diffbin.train import allocator
from diffbin.train.allocator import keeping_freed

FLOATS = 10_000_000  # 40 MB, over the most that glibc ever keeps by itself
PAGES = FLOATS * 4 // 4096


def faults() -> int:
    """Pages that the system gives for a tensor as large as ones freed before."""
    each = []
    for _ in range(24):  # small objects may settle in what the first ones leave
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(FLOATS)
        each.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return min(each)


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_freed_memory_is_kept_within_and_given_back_after() -> None:
    with keeping_freed(torch.device("cpu")):
        assert faults() < PAGES / 100
        within = resident()
    assert resident() < within - FLOATS * 4 * 0.9


def test_on_a_gpu_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "ctypes", None)  # a call would be an error
    with keeping_freed(torch.device("cuda")):
        pass
