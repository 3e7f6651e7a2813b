"""Where one sentence ends and the next begins."""

import pytest

from services.asr._sentences import LONGEST_SECONDS, sentences
from shared.messages import Word


def spoken(text: str, *, seconds: float = 0.3, pauses: dict[int, float] | None = None) -> list[Word]:
    """`text` at a steady pace; `pauses` are the seconds of silence before a word, by its number."""
    words: list[Word] = []
    time = 0.0
    for number, word in enumerate(text.split()):
        time += (pauses or {}).get(number, 0.0)
        words.append(Word(text=f" {word}", start=time, end=time + seconds))
        time += seconds
    return words


def texts(words: list[Word]) -> list[str]:
    return ["".join(word.text for word in sentence).strip() for sentence in sentences(words)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Good morning.", "How are you?", "Fine!"],
        ["Mr. Dashwood met Dr. Brown.", "They talked."],
        ["J. Smith is here."],
        ["The total is 13.60 in all.", "Pay now."],
        ["He said “Stop.”", "She did not."],
        ["It was… strange."],
        ["¿Cómo estás?", "Bien."],
        [],
    ],
)
def test_sentences_end_at_their_punctuation(expected: list[str]) -> None:
    """Full stops of titles, initials and numbers end nothing, nor does one before a small letter."""
    assert texts(spoken(" ".join(expected))) == expected


def test_a_long_silence_ends_a_sentence() -> None:
    """Who is silent for seconds has finished; a short pause within a sentence is part of it."""
    assert texts(spoken("and so it goes on", pauses={2: 3.0, 4: 0.8})) == ["and so", "it goes on"]


def test_scripts_without_spaces_have_sentences_too() -> None:
    """The full stops of Chinese count."""
    words = [Word(text=text, start=i, end=i + 1.0) for i, text in enumerate(["你", "好。", "再", "见。"])]
    assert texts(words) == ["你好。", "再见。"]


def test_a_long_sentence_is_cut_at_a_comma() -> None:
    """Nobody reads a subtitle of half a minute: parts are short, and none is lost."""
    text = "word " * 30 + "half, " + "word " * 30
    parts = sentences(spoken(text, seconds=0.4))
    assert all(part[-1].end - part[0].start <= LONGEST_SECONDS for part in parts)
    assert [word.text.strip() for part in parts for word in part] == text.split()
    assert "half," in [part[-1].text.strip() for part in parts]


def test_one_endless_word_is_left_alone() -> None:
    """A single word cannot be cut."""
    word = Word(text=" aaah", start=0.0, end=40.0)
    assert sentences([word]) == [[word]]
