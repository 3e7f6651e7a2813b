"""What is masked, and that it is masked everywhere."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.nlp._masking import Names, Span, masked, merged, patterned, with_masks
from services.nlp.stage import run
from shared.errors import Permanent
from shared.messages import Entities, Options, Result, Segment, Step, Word
from shared.result import assemble
from shared.text.redaction import KINDS, PATTERNS
from shared.text.subtitles import Format, render
from tests.fakes.stage import FakeEmit, FakeWork
from tests.unit.test_nlp_stage import NamesEngine

SECRETS = ("Anna", "anna@example.com", "555 123 4567")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("email", "Write to Anna.B+x@mail.example.co.uk, please.", "Write to [EMAIL], please."),
        ("email", "It is anna dot smith at example dot com.", "It is [EMAIL]."),
        ("email", "We met at nine at the office.", "We met at nine at the office."),
        ("phone", "Call +1 (555) 123-4567 or 555.123.4567.", "Call [PHONE] or [PHONE]."),
        ("phone", "Five five five, one two three four is it.", "[PHONE] is it."),
        (
            "phone",
            "In 2024 we had 1,250 guests and one or two dogs.",
            "In 2024 we had 1,250 guests and one or two dogs.",
        ),
        ("url", "See https://example.com/a?b=c, or www.example.org.", "See [URL], or [URL]."),
        ("ip", "From 192.168.0.1 and fe80::1 at 12:30.", "From [IP] and [IP] at 12:30."),
        ("card", "Card 4111 1111 1111 1111 it is.", "Card [CARD] it is."),
        ("iban", "To DE89 3704 0044 0532 0130 00 today.", "To [IBAN] today."),
    ],
)
def test_what_has_a_form_is_known_by_it(kind: str, text: str, expected: str) -> None:
    """As it is written and as it is said; ordinary numbers and words are left alone."""
    assert masked(text, merged(patterned(text, [kind]))) == expected


@pytest.mark.parametrize("sign", ["a", "1", ".", "-", "a.", "1 ", "a@", "x at ", "f:", "one "])
def test_nonsense_is_looked_through_in_no_time(sign: str) -> None:
    """No form takes time that grows with the square of the text."""
    text = sign * (50_000 // len(sign))
    assert len(masked(text, merged(patterned(text, KINDS)))) <= len(text) + len(text) * 9


def spoken(text: str, *, index: int = 1, translation: str | None = None, language: str = "en") -> Segment:
    """A sentence with a word each second."""
    words = tuple(Word(text=word, start=number, end=number + 0.5) for number, word in enumerate(text.split()))
    return Segment(
        index=index, start=0, end=len(words), text=text, words=words, translation=translation, language=language
    )


def test_words_have_the_masks_of_the_text() -> None:
    """A mask over several words is one word, from the beginning of the first to the end of the last."""
    segment = spoken("Hello Anna Smith, how are you?")
    found = with_masks(segment, [Span(6, 16, "person")], None)
    assert found.text == "Hello [PERSON], how are you?"
    assert [word.text for word in found.words] == ["Hello", "[PERSON],", "how", "are", "you?"]
    assert (found.words[1].start, found.words[1].end) == (1, 2.5)


def test_words_that_are_not_those_of_the_text_are_left_out() -> None:
    """Where nobody can say which word to mask, none is shown."""
    segment = Segment(index=1, start=0, end=1, text="Anna came.", words=(Word(text="Ana", start=0, end=1),))
    assert with_masks(segment, [Span(0, 4, "person")], None).words == ()


@given(
    words=st.lists(
        st.sampled_from(["Anna", "a@b.co", "came", "x,", "é", "👩‍🚀", "(555-123-4567)"]), min_size=1, max_size=9
    ),
    spans=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=4),
)
def test_text_and_words_always_agree(words: list[str], spans: list[tuple[int, int]]) -> None:
    """Whatever is masked, the words put together are the text, and none begins before the one before it."""
    text = " ".join(words)
    within = [Span(start, min(start + size, len(text)), "person") for start, size in spans]
    within = [span for span in within if text[span.start : span.end].strip()]
    found = with_masks(spoken(text), merged(within), None)
    assert "".join(word.text for word in found.words).replace(" ", "") == re.sub(r"\s", "", found.text)
    assert [word.start for word in found.words] == sorted(word.start for word in found.words)


def test_a_name_is_masked_wherever_it_stands() -> None:
    """Whole or in part, in its own case, and not inside of other words."""
    names = Names([("Anna Smith", "person"), ("Lisbon", "location")])
    text = "Anna met Smith in Lisbon; Annabel and a smith did not."
    assert (
        masked(text, merged(names.spans(text))) == "[PERSON] met [PERSON] in [LOCATION]; Annabel and a smith did not."
    )


async def redact(*segments: Segment, kinds: tuple[str, ...], target: str | None = None) -> tuple[Result, FakeEmit]:
    work = FakeWork(Options(redact=kinds, target_language=target, entity_labels=("person",)), batches=[segments])
    emit = FakeEmit(work)
    document = await run(work, NamesEngine(), emit)
    return assemble("t", work.written, document), emit


async def test_nothing_that_is_masked_is_left_anywhere() -> None:
    """Text, words, entities, translation, summary and subtitles of a result hold masks, and the secrets nowhere."""
    text, said = "Anna is anna@example.com or 555 123 4567.", "A Anna usa anna@example.com ou 555 123 4567."
    kinds = ("person", "email", "phone")
    later = spoken("Ask for her, Anna!", index=2, translation="Pergunte pela Anna!")
    result, emit = await redact(spoken(text, translation=said), later, kinds=kinds, target="pt")
    shown = [
        str(result),
        str(emit.steps),
        *(render(result, kind, translated=way) for kind in Format for way in (True, False)),
    ]
    assert not [secret for secret in SECRETS for each in shown if secret in each]
    assert result.transcript == "[PERSON] is [EMAIL] or [PHONE]. Ask for her, [PERSON]!"
    assert result.translation == "A [PERSON] usa [EMAIL] ou [PHONE]. Pergunte pela [PERSON]!"
    assert result.summary == "[PERSON] is [EMAIL] or [PHONE]."
    entities = emit.partial(Step.NER_COMPLETE)
    assert isinstance(entities, Entities)
    for entity in entities.entities:
        assert result.segments[entity.segment - 1].text[entity.start : entity.end] == entity.text == "[PERSON]"
    assert len(entities.entities) == 2
    assert result.warnings == ()


async def test_a_name_that_the_model_misses_elsewhere_is_masked_there_too() -> None:
    """The engine sees only the first of a name in a text; the second is masked because it is known by then."""
    result, _ = await redact(spoken("Anna said: ask Anna."), kinds=("person",))
    assert result.transcript == "[PERSON] said: ask [PERSON]."


async def test_a_translation_that_hides_the_name_is_withheld() -> None:
    """A name that was translated into another cannot be masked there, so that sentence is not shown."""
    result, _ = await redact(
        spoken("Anna came.", translation="Ana veio."), spoken("It rained.", index=2, translation="Choveu."),
        kinds=("person",), target="pt",
    )  # fmt: skip
    assert result.transcript == "[PERSON] came. It rained."
    assert result.translation == "[REDACTED] Choveu."
    assert [warning.code for warning in result.warnings] == ["redaction_withheld"]


async def test_a_sentence_that_nobody_reads_is_withheld() -> None:
    """In a language that the engine does not know there may be names; what goes by form alone needs no engine."""
    foreign = spoken("Anna kommt, anna@example.com.", language="de")
    result, _ = await redact(foreign, kinds=("person",))
    assert (result.transcript, result.segments[0].words) == ("[REDACTED]", ())
    assert "redaction_withheld" in [warning.code for warning in result.warnings]
    result, _ = await redact(foreign, kinds=("email",))
    assert result.transcript == "Anna kommt, [EMAIL]."


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        ("phone", ["Call 555 123.", "4567 after six."], "Call [PHONE]. [PHONE] after six."),
        ("phone", ["It is five five five.", "One two.", "Three four."], "It is [PHONE]. [PHONE]. [PHONE]."),
        ("email", ["Write to anna dot smith.", "At example dot com."], "Write to [EMAIL]. [EMAIL]."),
        ("email", ["Write to anna@example.", "com today."], "Write to [EMAIL]. [EMAIL] today."),
        ("email", ["Write to anna", "@example.com today."], "Write to [EMAIL] [EMAIL] today."),
        ("card", ["It is 4111 1111", "1111 1111, thanks."], "It is [CARD] [CARD], thanks."),
        ("email", ["Write to anna@\nexample.com today."], "Write to [EMAIL]\n[EMAIL] today."),
        ("ip", ["From 192.168.", "0.1 it is."], "From [IP]. [IP] it is."),
        ("phone", ["We were 12.", "They came at 9."], "We were 12. They came at 9."),
        ("email", ["I see Anna.", "At nine she left."], "I see Anna. At nine she left."),
        ("url", ["See www.example.com.", "Then come."], "See [URL]. Then come."),
    ],
)
async def test_what_runs_over_into_the_next_sentence_is_masked_in_both(
    kind: str, texts: list[str], expected: str
) -> None:
    """However the recogniser has cut it; what only stands beside a border is left alone."""
    result, _ = await redact(*(spoken(text, index=number) for number, text in enumerate(texts, 1)), kinds=(kind,))
    assert result.transcript == expected


SAID = "Call 555 123 4567 or write to anna dot smith at example dot com today."
SAID_IN_PORTUGUESE = "Ligue para 555 123 4567 ou escreva para anna@example.com hoje mesmo ao meio dia."


@pytest.mark.parametrize("place", range(1, len(SAID.split())))
async def test_wherever_a_text_is_cut_nothing_of_a_secret_is_left(place: int) -> None:
    """Text, words, subtitles and translation of both halves, and what comes of them, hold no part of it."""
    words, other = SAID.split(), SAID_IN_PORTUGUESE.split()
    halves = [" ".join(words[:place]), " ".join(words[place:])]
    translations = [" ".join(other[:place]), " ".join(other[place:])]
    result, emit = await redact(
        *(
            spoken(text, index=number, translation=translation)
            for number, (text, translation) in enumerate(zip(halves, translations, strict=True), 1)
        ),
        kinds=("phone", "email"),
        target="pt",
    )
    shown = [
        *(each.text + str(each.translation) + "".join(word.text for word in each.words) for each in result.segments),
        f"{result.transcript} {result.translation} {result.summary} {emit.steps[:2]}",
        *(render(result, kind, translated=way) for kind in Format for way in (True, False)),
    ]
    secrets = re.compile(r"\b555\b|\b123\b|4567|anna|smith|example|\bcom\b", re.IGNORECASE)
    assert not [found for each in shown for found in secrets.findall(each)]


async def test_what_another_speaker_breaks_into_is_masked() -> None:
    """Between the two halves of a number somebody else says 'mhm'."""
    said = [("Call 555 123.", "A"), ("Mhm.", "B"), ("4567 it is.", "A")]
    segments = [
        msgspec.structs.replace(spoken(text, index=number), speaker=speaker)
        for number, (text, speaker) in enumerate(said, 1)
    ]
    result, _ = await redact(*segments, kinds=("phone",))
    assert result.transcript == "Call [PHONE]. Mhm. [PHONE] it is."


async def test_a_kind_that_cannot_be_found_fails_the_task() -> None:
    """What was to be hidden is not shown only because this worker cannot see it."""
    with pytest.raises(Permanent, match="money") as caught:
        await redact(spoken("Anna owes five euros."), kinds=("money",))
    assert caught.value.code == "redaction_unavailable"


async def test_another_attempt_masks_nothing_twice() -> None:
    """When the text has been handed on, masked, an attempt that goes on from there leaves it as it is."""
    segment = spoken("Anna came.")
    first = FakeWork(Options(redact=("person",)), batches=[[segment]])
    await run(first, NamesEngine(), FakeEmit(first))
    second = FakeWork(Options(redact=("person",)), batches=[[segment]], written=first.written)
    await run(second, NamesEngine(), FakeEmit(second))
    assert [each.text for each in second.written] == ["[PERSON] came."]


def test_every_form_has_a_kind_of_its_own() -> None:
    """The kinds are distinct, and each with a form is among them."""
    assert len(set(KINDS)) == len(KINDS)
    assert set(PATTERNS) <= set(KINDS)
