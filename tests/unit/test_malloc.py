"""What a worker's malloc keeps for its model."""

import os
import platform
import subprocess
import sys

import pytest

from deploy.local.malloc import for_worker

LAYERS = """
import resource, threading
def layers():
    for _ in range(8):
        bytearray(40 << 20)
lanes = [threading.Thread(target=layers) for _ in range(2)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for lane in lanes: lane.start()
for lane in lanes: lane.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""Two threads that take and give back large pieces, as lanes of a recogniser do; and how often the kernel was asked."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the tunables are glibc's")
def test_large_pieces_are_not_asked_of_the_kernel_anew() -> None:
    """Without this each would be mapped and cleared page by page, ten thousand times for 40 MB."""

    def faults(stage: str) -> int:
        environ = for_worker(stage, {"PATH": os.environ["PATH"]})
        return int(subprocess.run([sys.executable, "-c", LAYERS], env=environ, capture_output=True, check=True).stdout)

    assert faults("asr") < faults("nlp") / 3


def test_what_the_operator_sets_stays() -> None:
    """For the one stage whose model wants it, unless there is something else; other stages have nothing of it."""
    own = {"GLIBC_TUNABLES": "glibc.malloc.perturb=1", "PATH": "/bin"}
    assert for_worker("asr", own) == own
    assert set(for_worker("asr", {"PATH": "/bin"})) == {"GLIBC_TUNABLES", "PATH"}
    assert for_worker("nlp", {"PATH": "/bin"}) == {"PATH": "/bin"}
