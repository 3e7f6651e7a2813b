"""The guide's client notices what is wrong with a stream."""

import copy
from collections.abc import Callable

import pytest

from tests.clients.test_streaming import STEPS, Update, faults


def good() -> list[Update]:
    """A stream as it should be."""
    updates: list[Update] = [
        {"task_id": "t", "step": step, "progress": high, "message": step} for step, (_, high) in STEPS.items()
    ]
    partials: dict[str, Update] = {
        "transcription": {"transcript": "One", "is_final": False},
        "transcription_complete": {"transcript": "One two", "is_final": True},
        "translation": {"translation": "Um", "is_final": False},
        "translation_complete": {"translation": "Um dois", "is_final": True},
        "completed": dict.fromkeys(("translation", "entities", "topics", "summary", "insights"))
        | {"transcript": "One two"},
    }
    for update in updates:
        if update["step"] in partials:
            update["partial_result"] = partials[update["step"]]
    return updates


def of(updates: list[Update], step: str) -> Update:
    return next(update for update in updates if update["step"] == step)


def test_a_good_stream_has_no_fault() -> None:
    """Nothing is found where nothing is wrong."""
    assert list(faults(good())) == []


def test_a_step_without_text_is_no_fault() -> None:
    """A recording in which nobody speaks goes through all steps and has no partial result."""
    updates = good()
    for step in ("transcription", "translation"):
        del of(updates, step)["partial_result"]
    assert list(faults(updates)) == []


CHANGES: dict[str, Callable[[list[Update]], object]] = {
    "no updates": lambda updates: updates.clear(),
    "several tasks": lambda updates: updates[3].update(task_id="other"),
    "unknown steps": lambda updates: updates[3].update(step="guessing"),
    "one end": lambda updates: updates.append(copy.deepcopy(updates[-1])),
    "ended as failed": lambda updates: updates[-1].update(step="failed"),
    "steps are missing": lambda updates: updates.remove(of(updates, "ner")),
    "out of order": lambda updates: updates.insert(3, of(updates, "insights")),
    "progress falls": lambda updates: of(updates, "ner_complete").update(progress=59),
    "reports 31 %": lambda updates: of(updates, "transcription_complete").update(progress=31),
    "says that it is final": lambda updates: of(updates, "transcription")["partial_result"].update(is_final=True),
    "says that it is not": lambda updates: of(updates, "translation_complete")["partial_result"].update(is_final=False),
    "takes back": lambda updates: updates.insert(
        2, of(updates, "transcription") | {"partial_result": {"transcript": "Won", "is_final": False}}
    ),
    "lacks summary": lambda updates: of(updates, "completed")["partial_result"].pop("summary"),
    "not the one": lambda updates: of(updates, "completed")["partial_result"].update(transcript="One"),
}


@pytest.mark.parametrize("expected", CHANGES)
def test_each_fault_is_found(expected: str) -> None:
    """A stream with one thing wrong is called so."""
    updates = good()
    CHANGES[expected](updates)
    assert any(expected in fault for fault in faults(updates)), list(faults(updates))
