"""The vectors that an nlp worker keeps for a while."""

import tracemalloc

import numpy as np

from services.nlp._memory import Memory


def vectors(rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.zeros((rows, 384), np.float32)


def test_a_worker_that_reads_for_long_does_not_grow() -> None:
    """Tasks of every size, short ones and some that do not fit at all: what is held has a bound in bytes, and Python
    counts the same."""
    memory = Memory(4 << 20)
    tracemalloc.start()
    try:
        for task in range(400):
            rows = (1, 20, 300, 4_000)[task % 4]
            memory.keep(tuple(f"Sentence {row} of task {task}." * 3 for row in range(rows)), vectors(rows))
            assert 0 < memory.held_bytes <= memory.most_bytes
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert memory.held_bytes / 2 < held < memory.most_bytes * 1.1


def test_what_was_used_last_is_kept() -> None:
    """The labels that every task asks for outlive the texts that came after them."""
    memory = Memory(1 << 20)
    labels = ("This text is about sports.", "This text is about law.")
    memory.keep(labels, vectors(2))
    for task in range(50):
        memory.keep((f"Task {task}",) * 100, vectors(100))
        assert memory.recall(labels) is not None
    assert memory.recall(("Task 49",) * 100) is not None
    assert memory.recall(("Task 0",) * 100) is None
