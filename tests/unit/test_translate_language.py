"""Translations in another language than the one that was asked for, told by their script and by their words."""

from collections.abc import Sequence

import pytest

from services.translate._faithful import Outcome, translate
from services.translate._language import strange
from services.translate._script import astray


@pytest.mark.parametrize(
    ("source", "text", "target", "wrong"),
    [
        ("Good morning, Ana.", "Доброе утро, Ана.", "ru", False),
        ("Good morning, Ana.", "Доброе утро, Ana Müller", "ru", False),
        ("Ana Müller, NATO", "Ana Müller, NATO", "ru", False),
        ("Good morning, my friend.", "Good morning, my friend.", "ru", True),
        ("Good morning.", "Bonjour tout le monde.", "hi", True),
        ("Good morning.", "सुप्रभात", "hi", False),
        ("Good morning.", "おはようございます", "ja", False),
        ("Good morning.", "早上好", "zh", False),
        ("Good morning.", "좋은 아침", "en", True),
        ("Доброе утро.", "Good morning.", "en", False),
        ("OK", "OK", "ru", False),
    ],
)
def test_t08_a_text_in_the_wrong_script_is_noticed(source: str, text: str, target: str, *, wrong: bool) -> None:
    """Names may come back as they are; a sentence that does, or that is in a third language, is no translation."""
    assert astray(source, text, target) is wrong


def test_t08_a_translation_into_another_language_keeps_the_source() -> None:
    """A model that answers in the wrong script, however it is asked, is not believed."""

    def model(sentences: Sequence[str]) -> list[str]:
        return ["Bonjour tout le monde" for _ in sentences]

    assert translate(["good morning to all"], model, pair=("en", "ru")) == [
        Outcome("good morning to all", suspect=True)
    ]


@pytest.mark.parametrize(
    ("source", "text", "target", "wrong"),
    [
        ("Please send the report to all of us.", "Please send the report to all of us.", "pt", True),
        ("Please send the report to all of us.", "Por favor, envie o relatório a todos nós.", "pt", False),
        ("Please send the report to all of us.", "Veuillez nous envoyer le rapport à tous.", "pt", True),
        ("Please send the report to all of us.", "Veuillez nous envoyer le rapport à tous.", "fr", False),
        ("Please send the report to all of us.", "Por favor, envie o relatório a todos nós.", "gl", False),
        ("Emma Miller met David Brown of Siemens.", "Emma Miller met David Brown of Siemens.", "pt", False),
        ("Run docker build -f a/b.c -t d:e .", "Run docker build -f a/b.c -t d:e .", "pt", False),
        ("Thank you very much.", "Merci beaucoup.", "pt", False),
        ("Please send the report to all of us.", "Veuillez nous envoyer le rapport à tous.", "ast", False),
    ],
    ids=["copied", "right", "third", "right too", "alike", "names", "code", "short", "unknown"],
)
def test_t08_words_of_another_language_are_noticed(source: str, text: str, target: str, *, wrong: bool) -> None:
    """A copy of the source, or a third language of the same script; not names, code, what is too short to tell, or a
    language that nobody could tell from the one that was asked for."""
    assert strange(source, text, ("en", target)) is wrong


def test_t08_a_copy_keeps_the_source_and_is_reported() -> None:
    """A model that only repeats what it is asked has translated nothing, whatever script it is in."""
    source = "please send the report to all of us"
    assert translate([source], list, pair=("en", "pt")) == [Outcome(source, suspect=True)]
