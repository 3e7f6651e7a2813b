"""Translations that can be trusted: nothing verbatim changed, no number lost, no loop.

A model is asked as little differently as possible: first with addresses and the like masked, then with numbers masked
as well, at last piece by piece around them. What still goes wrong keeps its source text and is reported as suspect.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from services.translate._language import strange
from services.translate._masks import NUMBER, Masked, Span, mask, outside, restore, verbatim, with_numbers
from services.translate._script import astray

Infer = Callable[[Sequence[str]], list[str]]
"""Sentences to their translations, in order."""

_WORD = re.compile(r"[^\W\d_]")
_REPEATED = re.compile(r"(.{2,60}?)\1{3,}")
_MOST_TIMES_LONGER, _MORE_CHARACTERS = 3, 40
_CLOCK = re.compile(r"(\d{1,2})((?::\d\d)?)\s*([ap])\.?\s?m\b", re.IGNORECASE)
_HALF_DAY = 12


class Outcome(msgspec.Struct, frozen=True):
    """`text` is the translation, or the source where no translation could be trusted (`suspect`)."""

    text: str
    suspect: bool = False


def translate(sentences: Sequence[str], infer: Infer, *, pair: tuple[str, str]) -> list[Outcome]:
    """One outcome for each sentence, from the first language of `pair` into the second. Sentences without a word come
    back as they are, without a call of the model."""
    settled: dict[int, Outcome] = {}
    for number, sentence in enumerate(sentences):
        if not _translatable(sentence):
            settled[number] = Outcome(sentence)
    for spans_of in (verbatim, _verbatim_and_numbers):
        left = [number for number in range(len(sentences)) if number not in settled]
        hidden = [mask(sentences[number], spans_of(sentences[number])) for number in left]
        if left:
            for number, masked, answer in zip(left, hidden, infer([one.text for one in hidden]), strict=True):
                text = _accept(sentences[number], masked, answer, pair)
                if text is not None:
                    settled[number] = Outcome(text)
    return [
        settled[number] if number in settled else _by_pieces(sentence, infer, pair)
        for number, sentence in enumerate(sentences)
    ]


def loops(source: str, text: str) -> bool:
    """Whether a translation is much too long, or says the same thing over and over though its source does not."""
    if len(text) > _MOST_TIMES_LONGER * len(source) + _MORE_CHARACTERS:
        return True
    return _repeats(text) and not _repeats(source)


def keeps_numbers(source: str, text: str) -> bool:
    """Whether each number of `source` is in `text`, and as often. How thousands and decimals are marked is a matter of
    language, and so is the clock: 3:30 pm is 15:30. Other numbers may be there: `five` can become 5."""
    there = Counter(_digits(found[0]) for found in NUMBER.finditer(text))
    used: set[str] = set()
    clocks = {found.start(1): found for found in _CLOCK.finditer(source)}
    for found in NUMBER.finditer(source):
        spellings = [_digits(found[0])]
        if clock := clocks.get(found.start()):
            spellings.append(_day_time(clock))
        spelling = next((one for one in spellings if there[one] > 0), None)
        if spelling is None:
            return False
        there[spelling] -= 1
        used.add(spelling)
    return not any(there[spelling] for spelling in used)


def _accept(source: str, masked: Masked, answer: str, pair: tuple[str, str]) -> str | None:
    plain = _ended_like(source, answer.strip())
    text = restore(masked, plain)
    if not text or loops(source, text) or _astray(masked.text, plain, pair) or not keeps_numbers(source, text):
        return None
    return text


def _astray(source: str, text: str, pair: tuple[str, str]) -> bool:
    return astray(source, text, pair[1]) or strange(source, text, pair)


def _by_pieces(sentence: str, infer: Infer, pair: tuple[str, str]) -> Outcome:
    """The translation of what stands around numbers and the like, each of which keeps its place."""
    spans = _verbatim_and_numbers(sentence)
    gaps = outside(sentence, spans)
    cores = [gap.strip() for gap in gaps]
    asked = [number for number, core in enumerate(cores) if _WORD.search(core)]
    suspect = False
    for number, answer in zip(asked, infer([cores[number] for number in asked]), strict=True):
        core, text = cores[number], _ended_like(cores[number], answer.strip())
        if not text or loops(core, text) or _astray(core, text, pair):
            suspect = True
        else:
            gaps[number] = gaps[number].replace(core, text, 1)
    kept = [sentence[start:end] for start, end in spans]
    return Outcome("".join(part for pair in zip(gaps, [*kept, ""], strict=True) for part in pair), suspect)


def _verbatim_and_numbers(sentence: str) -> list[Span]:
    return with_numbers(sentence, verbatim(sentence))


def _translatable(sentence: str) -> bool:
    return any(_WORD.search(part) for part in outside(sentence, verbatim(sentence)))


def _ended_like(source: str, text: str) -> str:
    """Without a full stop or comma that the model has made up."""
    return text.rstrip(".,;") if source[-1:].isalnum() else text


def _repeats(text: str) -> bool:
    return any(_WORD.search(found[1]) for found in _REPEATED.finditer(text))


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)


def _day_time(clock: re.Match[str]) -> str:
    hour = int(clock[1]) % _HALF_DAY + (_HALF_DAY if clock[3] in "pP" else 0)
    return f"{hour}{_digits(clock[2])}"
