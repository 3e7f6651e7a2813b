"""From form fields to options."""

import pytest

from services.gateway.intake.formdata import TextFields
from services.gateway.intake.forms import FIELDS, options_of
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from shared.messages import Options

SETTINGS = Settings(default_target_language="pt", default_topics="work, play")


def test_u19_an_empty_form_means_the_defaults() -> None:
    """Whether fields are left out or left empty."""
    options = options_of({}, SETTINGS)
    assert options == Options(topics=("work", "play"))
    assert options_of(dict.fromkeys(FIELDS, " "), SETTINGS) == options


@pytest.mark.parametrize("text", ["true", "True", "1", "on", "YES", " yes "])
def test_u19_what_is_true(text: str) -> None:
    """All usual spellings, in any case."""
    assert options_of({"include_insights": text}, SETTINGS).include_insights is True


@pytest.mark.parametrize("text", ["false", "FALSE", "0", "Off", "no"])
def test_u19_what_is_false(text: str) -> None:
    """Also for an option that is on by default."""
    assert options_of({"word_timestamps": text}, SETTINGS).word_timestamps is False


@pytest.mark.parametrize("name", ["include_translation", "include_insights", "diarize", "word_timestamps"])
def test_u19_what_is_neither(name: str) -> None:
    """It is refused by the name of its field."""
    with pytest.raises(Problem) as caught:
        options_of({name: "maybe"}, SETTINGS)
    assert (caught.value.status, caught.value.code, caught.value.field) == (400, "bad_field", name)


def test_a_target_asks_for_a_translation() -> None:
    """Who says to which language wants it; who only wants a translation gets the default."""
    assert options_of({"target_language": "es"}, SETTINGS).target_language == "es"
    assert options_of({"target_language": " "}, SETTINGS).target_language is None
    assert options_of({"include_translation": "1"}, SETTINGS).target_language == "pt"
    assert options_of({"include_translation": "1", "target_language": "es-MX"}, SETTINGS).target_language == "es"


@pytest.mark.parametrize(
    ("text", "code"), [("en", "en"), ("en-US", "en"), ("english", "en"), ("auto", None), ("AUTO", None)]
)
def test_languages(text: str, code: str | None) -> None:
    """Tags and names are understood; `auto` detects."""
    assert options_of({"language": text}, SETTINGS).language == code


@pytest.mark.parametrize("name", ["language", "target_language"])
def test_what_is_no_language(name: str) -> None:
    """It is refused by the name of its field, whether or not it would be used."""
    with pytest.raises(Problem) as caught:
        options_of({name: "gibberish-x"}, SETTINGS)
    assert (caught.value.status, caught.value.code, caught.value.field) == (400, "unsupported_language", name)


def test_labels_are_a_list() -> None:
    """Separated by commas, trimmed, without repetition, in the order given."""
    options = options_of({"topics": " climate  change ,economy,, economy"}, SETTINGS)
    assert options.topics == ("climate change", "economy")


@pytest.mark.parametrize("text", [",".join(map(str, range(51))), "x" * 101, "a\x00b"])
def test_labels_have_bounds(text: str) -> None:
    """Too many, too long, or with control characters: refused."""
    with pytest.raises(Problem) as caught:
        options_of({"entity_labels": text}, SETTINGS)
    assert caught.value.field == "entity_labels"


def fields_of(*parts: tuple[str, str]) -> dict[str, str]:
    """What a form with these fields, one after the other, comes to."""
    fields = TextFields(FIELDS, content="recording", main="audio")
    for name, text in parts:
        fields.begin(name)
        fields.take(text.encode())
        fields.end()
    return fields.values


def test_n07_labels_with_commas_come_in_fields_of_their_own() -> None:
    """A comma in a label that is sent for itself is a part of it; duplicates and blanks are none."""
    labels = ("billing, refund", "other", "", " other ")
    options = options_of(fields_of(*(("topics", label) for label in labels)), Settings())
    assert options.topics == ("billing, refund", "other")
    assert options_of(fields_of(("topics", "billing, refund")), Settings()).topics == ("billing", "refund")


@pytest.mark.parametrize(
    ("labels", "expected"), [([], ()), ([""], ()), (["a"], ("a",)), (["a", "a"], ("a",)), (["a", "b"], ("a", "b"))]
)
def test_n07_few_labels_are_fine(labels: list[str], expected: tuple[str, ...]) -> None:
    """None at all stands for the default, and a single one is judged for itself."""
    assert options_of(fields_of(*(("topics", label) for label in labels)), Settings()).topics == expected


def test_n07_a_thousand_labels_are_refused() -> None:
    """Before a worker sees them, by the name of the field."""
    for parts in ([("topics", ",".join(map(str, range(1000))))], [("topics", str(number)) for number in range(51)]):
        with pytest.raises(Problem) as caught:
            options_of(fields_of(*parts), Settings())
        assert (caught.value.code, caught.value.field) == ("bad_field", "topics")


def test_labels_that_nobody_sees_are_none() -> None:
    """Marks of direction and characters without a width are no label."""
    assert options_of({"topics": "\u200b, \u202e ,\u200dwork"}, Settings()).topics == ("\u200dwork",)


def test_other_fields_come_once() -> None:
    """Two languages are no language."""
    with pytest.raises(Problem) as caught:
        fields_of(("language", "en"), ("language", "pt"))
    assert caught.value.code == "field_twice"


def test_a_number_of_speakers_asks_for_them() -> None:
    """Who knows how many people speak wants them told apart. Of two bounds, the lower is the least, whichever it is
    called."""
    options = options_of({"num_speakers": "2"}, SETTINGS)
    assert (options.diarize, options.num_speakers, options.min_speakers) == (True, 2, None)
    options = options_of({"min_speakers": "5", "max_speakers": "2", "diarize": "yes"}, SETTINGS)
    assert (options.diarize, options.min_speakers, options.max_speakers) == (True, 2, 5)


@pytest.mark.parametrize(
    "fields",
    [
        {"include_translation": "false", "target_language": "es"},
        {"diarize": "0", "num_speakers": "2"},
        {"diarize": "off", "min_speakers": "2"},
    ],
    ids=["target", "number", "bound"],
)
def test_a_no_stands(fields: dict[str, str]) -> None:
    """Whatever was chosen beside it, as forms send that, too."""
    options = options_of(fields, SETTINGS)
    assert (options.target_language, options.diarize) == (None, False)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"num_speakers": "2", "min_speakers": "3"}, "num_speakers"),
        ({"num_speakers": "4", "min_speakers": "3", "max_speakers": "1"}, "num_speakers"),
    ],
    ids=["below", "above"],
)
def test_fields_that_contradict_each_other(fields: dict[str, str], name: str) -> None:
    """Neither is dropped in silence: the form is refused."""
    with pytest.raises(Problem) as caught:
        options_of(fields, SETTINGS)
    assert (caught.value.status, caught.value.code, caught.value.field) == (400, "conflicting_fields", name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("include_translations", ("include_translation",)),
        ("Include-Insights", ("include_insights",)),
        ("target_lang", ("target_language",)),
        ("audoi", ("audio",)),
        ("x" * 10_000, ()),
    ],
    ids=["plural", "case", "short", "main", "nothing"],
)
def test_a_misspelt_field_is_told_what_it_should_be(name: str, meant: tuple[str, ...]) -> None:
    """The refusal offers the one field that is nearly called so."""
    with pytest.raises(Problem) as caught:
        fields_of((name, "true"))
    assert (caught.value.code, caught.value.offered) == ("unknown_field", meant)
    assert all(f"'{field}'" in caught.value.detail for field in meant)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"num_speakers": "0"}, "num_speakers"),
        ({"max_speakers": "51"}, "max_speakers"),
        ({"min_speakers": "two"}, "min_speakers"),
    ],
    ids=["none", "too many", "no number"],
)
def test_numbers_of_speakers_that_cannot_be(fields: dict[str, str], name: str) -> None:
    """They are refused by the name of the field."""
    with pytest.raises(Problem) as caught:
        options_of(fields, SETTINGS)
    assert (caught.value.status, caught.value.code, caught.value.field) == (400, "bad_field", name)
