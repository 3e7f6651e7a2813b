"""What stands between the sentences of a translation."""

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from services.gateway.intake.texts import pieces_of
from services.translate.stage import STAGE
from shared.events import joined
from shared.messages import Document, Options, Segment, Step, Translation
from shared.result import assemble
from tests.fakes.stage import FakeEmit, FakeWork

BOOK = {
    "你好。": "Hello.",
    "你叫什么名字？": "What is your name?",
    "我住在北京。": "I live in Beijing.",
    "Good morning.": "Bom dia.",
    "It rains.": "Chove.",
}


class Phrasebook:
    """Knows a few sentences by heart."""

    pairs: Collection[tuple[str, str]] = (("zh", "en"), ("en", "pt"))

    def load(self) -> None: ...

    def warm_up(self) -> None: ...

    def describe(self) -> dict[str, Any]:
        return {}

    def via(self, source: str, target: str) -> str | None:  # noqa: ARG002
        return None

    def translate(self, sentences: Sequence[str], source: str, target: str) -> list[str]:  # noqa: ARG002
        return [BOOK[sentence] for sentence in sentences]


async def translation(segments: Sequence[Segment], target: str) -> str:
    """The whole translation. It is the same in the step, in the partial events and in the result."""
    work = FakeWork(Options(target_language=target), batches=[segments], document=Document(segments=len(segments)))
    emit = FakeEmit(work)
    document = await STAGE.run(work, Phrasebook(), emit)
    complete = emit.partial(Step.TRANSLATION_COMPLETE)
    assert isinstance(complete, Translation)
    assert STAGE.partial
    assert complete.translation == joined(map(STAGE.partial.piece, work.written))
    assert complete.translation == assemble("t", work.written, document).translation
    return complete.translation or ""


@pytest.mark.parametrize(
    ("text", "language", "target", "expected"),
    [
        ("你好。你叫什么名字？我住在北京。", "zh", "en", "Hello. What is your name? I live in Beijing."),
        ("你好。\n你叫什么名字？", "zh", "en", "Hello.\nWhat is your name?"),
        ("Good morning.  It rains.\nIt rains.", "en", "pt", "Bom dia.  Chove.\nChove."),
    ],
    ids=["no gaps", "a line break", "gaps"],
)
async def test_sentences_of_a_translation_are_set_apart(text: str, language: str, target: str, expected: str) -> None:
    """Where the source has no blanks between its sentences and the target needs them, they are set; whatever stands
    between the sentences of the source stays. The sentences may be segments, or lie in one."""
    pieces = pieces_of(text, language=language)
    apart = [
        Segment(index=index, start=0, end=0, text=piece.text, gap=piece.gap, language=language)
        for index, piece in enumerate(pieces, 1)
    ]
    assert await translation(apart, target) == expected
    whole = [Segment(index=1, start=0, end=0, text=text, language=language)]
    assert await translation(whole, target) == expected
