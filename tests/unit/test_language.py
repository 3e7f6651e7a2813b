"""Languages have one spelling inside the mesh, whatever a client writes."""

import pytest

from shared.errors import Permanent
from shared.text.language import normalise


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en-US", "en"),
        ("en_US", "en"),
        (" english ", "en"),
        ("American English", "en"),
        ("eng", "en"),
        ("pt_BR", "pt"),
        ("Brazilian Portuguese", "pt"),
        ("português", "pt"),
        ("zh-CN", "zh"),
        ("zh-Hant", "zh"),
        ("cmn", "zh"),
        ("mandarin", "zh"),
        ("cantonese", "yue"),
        ("iw", "he"),
        ("he", "he"),
        ("Chinese", "zh"),
        ("in", "id"),
        ("jw", "jv"),
        ("nb", "no"),
        ("no", "no"),
        ("nn", "nn"),
        ("tl", "tl"),
        ("fil", "tl"),
        ("haw", "haw"),
        ("日本語", "ja"),
    ],
)
def test_t07_a10_a_tag_or_a_name_gives_one_code(text: str, code: str) -> None:
    """Case, separators, regions, scripts, old codes and names all lead to the same short code."""
    assert normalise(text) == code


@pytest.mark.parametrize(
    "text", ["", "e", "xx", "en-", "x-private", "und", "mul", "gibberish", "en" * 500, "en;drop", "-"]
)
def test_t07_what_is_no_language_is_refused(text: str) -> None:
    """Anything else is an error with a stable code, and its message stays short."""
    with pytest.raises(Permanent, match="is not a language") as caught:
        normalise(text)
    assert caught.value.code == "unsupported_language"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("country", "language"), [("jp", r"'ja' \(Japanese\)"), ("CN", "'zh'"), ("gr", "'el'"), ("cz", "'cs'")]
)
def test_a10_a_country_code_gets_a_suggestion(country: str, language: str) -> None:
    """Who writes the code of a country is told the code of its language."""
    with pytest.raises(Permanent, match=f"did you mean {language}"):
        normalise(country)
