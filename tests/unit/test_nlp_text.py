"""What the nlp stage does with text around its models."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.nlp._selection import representatives
from services.nlp._sentences import MOST_WORDS, sentences
from services.nlp._windows import windows


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Hello there. How are you?"], ["Hello there.", "How are you?"]),
        (["We met Dr. Smith and J. Doe of the U.S. Senate."], ["We met Dr. Smith and J. Doe of the U.S. Senate."]),
        (["This begins here", "and ends there. Next."], ["This begins here and ends there.", "Next."]),
        (
            ['He said "Stop!" and left.', "“Why?” She did not say."],
            ['He said "Stop!" and left.', "“Why?”", "She did not say."],
        ),
        (["今日は雨です。明日は晴れます。"], ["今日は雨です。", "明日は晴れます。"]),
        (["Version 3.8 is out.", "...", ""], ["Version 3.8 is out."]),
    ],
)
def test_sentences_are_whole(texts: list[str], expected: list[str]) -> None:
    """Full stops in abbreviations and numbers end nothing; a sentence may run over the end of a segment."""
    assert sentences(texts) == expected


@pytest.mark.parametrize("text", ["=" * 100_000, "." * 100_000 + "x", '."' * 50_000, "a. " * 30_000, "word " * 20_000])
def test_sentences_of_nonsense_are_cut_in_no_time(text: str) -> None:
    """No input takes time that grows with its square, or gives a sentence without end."""
    assert all(len(sentence.split()) <= MOST_WORDS for sentence in sentences([text]))


def test_representatives_are_one_of_each_kind() -> None:
    """A remark that is repeated is chosen once, and one that was made once, at the end, has its place."""
    first, second, last = np.eye(3, dtype=np.float32)
    vectors = np.stack([first] * 50 + [second] * 50 + [last])
    chosen = representatives(vectors, [10] * 101, 3)
    assert [index // 50 for index in chosen] == [0, 1, 2]


def test_every_stretch_of_a_very_long_text_is_represented() -> None:
    """With thousands of sentences each thousand has at least one in the summary, in order."""
    vectors = np.ones((3500, 1), dtype=np.float32)
    chosen = representatives(vectors, [10] * 3500, 2)
    assert [index // 875 for index in chosen] == [0, 1, 2, 3]


def test_no_window_is_without_a_word() -> None:
    """A sentence that is mostly signs is cut into windows, of which those that hold nothing to read are left out:
    nothing is true of them, and nobody could say what they are about."""

    def count(texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    text = f"{'= ' * 200}The bridge is open. {'* ' * 200}It is long."
    found = windows(sentences([text]), most=20, count=count)
    assert all(any(map(str.isalnum, window.text)) for window in found)
    assert all(window.tokens <= 20 for window in found)
    read = " ".join(window.text for window in found)
    assert [word for word in read.split() if word.isalpha()] == ["The", "bridge", "is", "It", "is"]
