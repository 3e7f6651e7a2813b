"""Memory that the recogniser uses again and again."""

import subprocess
import sys

PROBE = """
import resource, sys
import numpy as np
from services.asr._memory import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def results():
    for _ in range(5):
        np.ones(50_000_000, np.uint8)

if sys.argv[1] == "kept":
    keep_freed_memory()
results()
before = faults()
results()
print(faults() - before)
"""


def faults(how: str) -> int:
    """Page faults of five results of 50 MB, one after the other, in a process that has had such before."""
    answer = subprocess.run([sys.executable, "-c", PROBE, how], check=True, capture_output=True, text=True)
    return int(answer.stdout)


def test_memory_is_fetched_once() -> None:
    """Large results that follow each other lie where the first one lay, not in pages that are cleared for each."""
    assert faults("kept") < 1000 < faults("plain")
