"""Where a line may be broken."""

import re

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from shared.text.linebreak import clusters, columns, pieces

ODD = st.text(st.sampled_from("ab .,、。「」漢かがー가각각\u0301\u200d\u00a0กำ👩🏽👧🇧🇷क्षिषि\u200c1"))


def texts(text: str, longest: int = 42) -> list[str]:
    return [piece.text for piece in pieces(text, longest)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good morning,  all", ["Good", "morning,", "all"]),
        ("Bonjour\u00a0! Ça va\u202f?", ["Bonjour\u00a0!", "Ça", "va\u202f?"]),
        ("今日は、「東京」から。", ["今", "日", "は、", "「東", "京」", "か", "ら。"]),
        ("コーヒーを2杯", ["コー", "ヒー", "を", "2", "杯"]),
        ("안녕하세요 여러분", ["안녕하세요", "여러분"]),
        ("", []),
    ],
)
def test_text_is_taken_apart_where_its_script_allows(text: str, expected: list[str]) -> None:
    """Words stay whole; ideographs may be separated, but no punctuation from what it belongs to."""
    assert texts(text) == expected


def test_a_word_longer_than_a_line_is_cut_between_characters() -> None:
    """An accent, a flag and a family stay with what they belong to."""
    word = "e\u0301" * 5 + "🇧🇷🇩🇪" + "👩🏽\u200d👧" * 2
    assert texts(word, 8) == ["e\u0301" * 4, "e\u0301🇧🇷🇩🇪", "👩🏽\u200d👧", "👩🏽\u200d👧"]


@given(ODD)
def test_characters_are_never_cut(text: str) -> None:
    """Each boundary between clusters is one that Unicode's own rules know, too."""
    known = {match.end() for match in regex.finditer(r"\X", text)}
    at = 0
    for cluster in clusters(text):
        at += len(cluster)
        assert at in known
    assert at == len(text)


@given(ODD | st.text(), st.integers(2, 42))
def test_pieces_are_the_whole_text_and_fit(text: str, longest: int) -> None:
    """Nothing but spaces is lost, offsets are true, and nothing is wider than allowed."""
    found = pieces(text, longest)
    assert "".join(piece.text for piece in found) == re.sub(r"[^\S\u00a0\u2007\u202f]+", "", text)
    for piece in found:
        assert text[piece.offset : piece.end] == piece.text
        assert columns(piece.text) <= longest
