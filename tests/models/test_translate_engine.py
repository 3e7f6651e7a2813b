"""The embedded translation models, for real."""

from collections.abc import Callable

import pytest

from services.translate import _faithful
from services.translate.engine import make_engine
from services.translate.settings import Settings

Translate = Callable[[str], str]


@pytest.fixture(scope="module")
def translators() -> tuple[Translate, Translate]:
    """English to Portuguese and back, with everything that the stage puts around the models."""
    engine = make_engine(Settings())
    engine.load()
    engine.warm_up()

    def through(source: str, target: str) -> Translate:
        def translate(sentence: str) -> str:
            (outcome,) = _faithful.translate(
                [sentence], lambda asked: engine.translate(asked, source, target), pair=(source, target)
            )
            assert not outcome.suspect
            return outcome.text

        return translate

    assert engine.pairs == {("en", "pt"), ("pt", "en")}
    return through("en", "pt"), through("pt", "en")


@pytest.fixture(scope="module")
def to_portuguese(translators: tuple[Translate, Translate]) -> Translate:
    return translators[0]


@pytest.fixture(scope="module")
def to_english(translators: tuple[Translate, Translate]) -> Translate:
    return translators[1]


SPEECH = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."


def test_a_sentence_says_in_portuguese_what_it_said(to_portuguese: Translate) -> None:
    """The words that carry the meaning are there."""
    text = to_portuguese(SPEECH)
    assert all(word in text for word in ("E assim", "americanos", "não", "seu país pode fazer", "vocês podem fazer"))


def test_there_and_back_again(translators: tuple[Translate, Translate]) -> None:
    """A sentence that goes through both models comes home with its meaning."""
    there, back = translators
    text = back(there("The meeting in Lisbon starts on Monday, and Maria will bring the report."))
    assert all(word in text for word in ("meeting", "Lisbon", "Monday", "Maria", "report"))


@pytest.mark.parametrize(
    ("sentence", "kept"),
    [
        ("Zoë Müller and Łukasz Nguyễn met Hiroshi Tanaka.", ["Zoë Müller", "Łukasz Nguyễn", "Hiroshi Tanaka"]),
        (
            "Visit https://a.example/b?c=1&d=2 or ask mary.j@example.org.",
            ["https://a.example/b?c=1&d=2", "mary.j@example.org"],
        ),
        ("The bill was £7.50, not $1,234.56.", ["£7.50", "$1,234.56"]),
        ("Flight TP 1234 leaves on 5 May 2026.", ["TP 1234", "5", "2026"]),
        ("Press %1$s to open <b>{name}</b> now.", ["%1$s", "<b>{name}</b>"]),
        ("“Well”, he said.", ['"', "disse"]),
    ],
)
def test_what_must_not_change_does_not(to_portuguese: Translate, sentence: str, kept: list[str]) -> None:
    """Names in any spelling, addresses, money, numbers and placeholders come through to the letter."""
    text = to_portuguese(sentence)
    assert [piece for piece in kept if piece not in text] == []


@pytest.mark.parametrize("sentence", ["Uh.", "...", "Hmm.", "bye", "Ha ha ha ha ha ha.", "1 2 3", "John.", "日本語"])
def test_a_word_alone_makes_no_loop(to_portuguese: Translate, sentence: str) -> None:
    """Fillers, laughter and single words stay short."""
    assert len(to_portuguese(sentence)) <= len(sentence) + 5


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("Thank you.", "Obrigado."),
        ("thank you", "obrigado"),
        ("Thank you, John.", "Obrigado, John."),
        ("Thank you for coming.", "Obrigado por vir."),
        ("Bye!", "Tchau!"),
        ("You\u2019re welcome.", "De nada."),
        ("Hello", "Olá"),
    ],
)
def test_people_are_polite(to_portuguese: Translate, sentence: str, text: str) -> None:
    """What everybody says all the time is right, though the models alone get it wrong."""
    assert to_portuguese(sentence) == text


def test_letters_that_open_a_portuguese_sentence_are_read(to_english: Translate) -> None:
    """Capitals with accents, which the vocabulary lacks, do not lose their words."""
    assert to_english("À noite vamos sair.").startswith("At night")
    assert to_english("Ótimo trabalho.") == "Great work."


def test_no_number_is_lost_from_speech_without_full_stops(to_portuguese: Translate) -> None:
    """A sentence as long as the models are given keeps each number, in order."""
    sentence = " ".join(f"box {number} went to the house on the hill" for number in range(101, 107))
    text = to_portuguese(sentence)
    places = [text.index(str(number)) for number in range(101, 107)]
    assert places == sorted(places)
