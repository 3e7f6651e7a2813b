"""What surrounds the model: sentences are cut and put together without loss, and no answer is believed unchecked."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.translate._faithful import Outcome, keeps_numbers, loops, translate
from services.translate._layout import MOST_CHARACTERS, MOST_WORDS, lay_out
from services.translate._masks import mask, restore, verbatim, with_numbers
from services.translate._offers import offers
from services.translate._order import Order, read
from services.translate._parts import parts
from services.translate._tongues import Tag
from shared.errors import SettingsError


def answering(change: Callable[[str], str]) -> Callable[[Sequence[str]], list[str]]:
    """A model that makes `change` of each sentence."""
    return lambda sentences: [change(sentence) for sentence in sentences]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Mr. Smith met Dr. Jones, e.g. on Monday. Fine.", ["Mr. Smith met Dr. Jones, e.g. on Monday.", "Fine."]),
        ("It costs 3.14 dollars. J. R. R. Tolkien paid.", ["It costs 3.14 dollars.", "J. R. R. Tolkien paid."]),
        ("See https://a.b/C.D.E?f=G.H today. Bye.", ["See https://a.b/C.D.E?f=G.H today.", "Bye."]),
        ("Ask me@home.Example.org now. Bye.", ["Ask me@home.Example.org now.", "Bye."]),
        ("A line\nand another\n\nlast", ["A line", "and another", "last"]),
        ("今天天气很好。我们走吧。", ["今天天气很好。", "我们走吧。"]),
        ("no full stop at all", ["no full stop at all"]),
        ("  \n\t ", []),
        ("", []),
    ],
)
def test_sentences_are_cut_where_they_end(text: str, sentences: list[str]) -> None:
    """Abbreviations, decimals, initials and addresses do not end a sentence; line breaks do."""
    assert list(lay_out(text, "en").sentences) == sentences


@given(st.text(alphabet=st.sampled_from("ab .,!?\n\t\u2028\u00a0:/@<>X1é中。"), max_size=300))
def test_nothing_is_lost_in_cutting(text: str) -> None:
    """Gaps and sentences put together are the text again, to the last space, and no sentence is blank."""
    layout = lay_out(text, "en")
    assert layout.fill(layout.sentences) == text
    assert all(sentence.strip() for sentence in layout.sentences)


def test_a_long_sentence_is_cut_at_commas_or_between_words() -> None:
    """Speech without full stops goes to the model in parts that it can hold, every word once and in order."""
    text = " ".join(f"word{number}" + "," * (number % 50 == 49) for number in range(500))
    sentences = lay_out(text, "en").sentences
    assert all(len(sentence.split()) <= MOST_WORDS for sentence in sentences)
    assert sentences[0].endswith("word49,")
    assert " ".join(sentences) == text


def test_a_script_without_spaces_is_cut_too() -> None:
    """A run of characters without a space fits the model, and an address of any length stays whole."""
    assert all(len(part) <= MOST_CHARACTERS for part in lay_out("字" * 5000, "zh").sentences)
    address = "https://example.org/" + "a" * 2000
    assert list(lay_out(address, "en").sentences) == [address]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Go to https://a.b/c?d=e&f=1, now.", ["https://a.b/c?d=e&f=1"]),
        ("Write to mary.j+x@example.org.", ["mary.j+x@example.org"]),
        ("It is $1,234.56 or 5 € or R$ 8.", ["$1,234.56", "5 €", "R$ 8"]),
        ("It is EUR 30 or 7 USD, call +00 (12) 34-56 now", ["EUR 30", "7 USD", "+00 (12) 34-56"]),
        ("Press %1$s for {name} or ${total} %d", ["%1$s", "{name}", "${total}", "%d"]),
        ("A <b>bold</b><br/> word", ["<b>", "</b>", "<br/>"]),
        ("Run `rm -rf` in C:\\tmp\\x or /usr/bin/env", ["`rm -rf`", "C:\\tmp\\x", "/usr/bin/env"]),
        ("@mary likes #cats 😀", ["@mary", "#cats", "😀"]),
        ("50% of 3/4 are and/or 7, x < y > z", []),
    ],
)
def test_what_is_verbatim_is_recognised(text: str, kept: list[str]) -> None:
    """Addresses, money, placeholders, tags, code, paths, handles and emoji are found, and plain text is not."""
    assert [text[start:end] for start, end in verbatim(text)] == kept


@given(st.text(alphabet=st.sampled_from("ab .<>/X12$5€{}@h"), max_size=80))
def test_masks_come_off_without_a_trace(text: str) -> None:
    """Where the model copies its masks, the originals are back to the letter, whatever the text held."""
    masked = mask(text, with_numbers(text, verbatim(text)))
    assert restore(masked, masked.text) == text


def test_masks_are_words_of_their_own() -> None:
    """A mask is none that the text holds already, and never grows together with a word beside it."""
    tagged = "X1 is <b>bold</b>"
    masked = mask(tagged, verbatim(tagged))
    assert masked.text == "X1 is X2 bold X3"
    assert restore(masked, "X2 negrito X3 é X1") == "<b>negrito</b> é X1"


def test_a_mask_that_is_lost_or_doubled_is_noticed() -> None:
    """A translation in which a mask does not stand once is not put together."""
    masked = mask("Go to https://a.b now", verbatim("Go to https://a.b now"))
    assert masked.text == "Go to X1 now"
    assert restore(masked, "Vá para X1 agora") == "Vá para https://a.b agora"
    assert restore(masked, "Vá agora") is None
    assert restore(masked, "X1 X1") is None
    assert restore(masked, "X11") is None


@pytest.mark.parametrize(
    ("source", "text", "kept"),
    [
        ("1,234.56 of 7", "1.234,56 de 7", True),
        ("at 3:30 pm", "às 15:30", True),
        ("at 12:05 a.m.", "às 0:05", True),
        ("at 9 pm", "às 21h", True),
        ("five of 6", "5 de 6", True),
        ("7 and 8", "7 e 9", False),
        ("7 and 7", "7", False),
        ("item 7", "item 7 item 7", False),
        ("at 3:30", "às 15:30", False),
    ],
)
def test_numbers_are_compared_by_their_digits(source: str, text: str, kept: bool) -> None:
    """Separators and the clock may change with the language; a number that is lost or doubled is noticed."""
    assert keeps_numbers(source, text) is kept


def test_loops_are_told_from_repetitions_of_the_speaker() -> None:
    """A model that goes round in circles is caught; somebody who says no five times is not."""
    assert loops("Bye", "a mão do " * 5)
    assert loops("Hi", "word " + "other things that were never said " * 2)
    assert not loops("no no no no no no", "não não não não não não")
    assert not loops("Ask not what your country can do.", "Não pergunte o que seu país pode fazer.")


def test_a_sentence_without_words_is_not_sent_to_the_model() -> None:
    """Dots, numbers, emoji and addresses come back as they are."""

    def refuse(sentences: Sequence[str]) -> list[str]:
        raise AssertionError(sentences)

    plain = ["...", "1 2 3", "😀 😀", "https://a.b/c", "--"]
    assert translate(plain, refuse, pair=("en", "pt")) == [Outcome(one) for one in plain]


def test_numbers_that_the_model_garbles_are_masked() -> None:
    """A model that changes digits but copies words gets the sentence again, whole, with its numbers hidden."""
    model = answering(lambda sentence: " ".join(reversed(sentence.split())).replace("42", "43"))
    assert translate(["all 42 of them"], model, pair=("en", "pt")) == [Outcome("them of 42 all")]


def test_a_model_that_loses_masks_works_around_them() -> None:
    """When no mask survives, what stands between is translated alone, and address and number keep their places."""
    model = answering(lambda sentence: sentence.upper().replace("X", ""))
    assert translate(["go to https://a.b at 9 today"], model, pair=("en", "pt")) == [
        Outcome("GO TO https://a.b AT 9 TODAY")
    ]


def test_t03_a_loop_keeps_the_source_and_is_reported() -> None:
    """A sentence on which the model loops, however it is asked, keeps its wording; its neighbours are translated."""
    model = answering(lambda sentence: "abc " * 20 if "bad" in sentence else sentence.upper())
    assert translate(["good one.", "a bad one."], model, pair=("en", "pt")) == [
        Outcome("GOOD ONE."),
        Outcome("a bad one.", suspect=True),
    ]


def test_an_empty_answer_keeps_the_source() -> None:
    """A model with nothing to say loses no text."""
    assert translate(["hello"], answering(lambda _: " "), pair=("en", "pt")) == [Outcome("hello", suspect=True)]


def test_no_full_stop_is_made_up() -> None:
    """What has no punctuation at its end gets none; what has keeps it."""
    model = answering(lambda sentence: sentence.rstrip(".").upper() + ".")
    assert translate(["hello", "hello."], model, pair=("en", "pt")) == [Outcome("HELLO"), Outcome("HELLO.")]


@given(st.text(alphabet=st.sampled_from("ab ,;、字:/.@"), max_size=200))
def test_t02_a_sentence_is_cut_into_parts_that_fit_and_lose_nothing(sentence: str) -> None:
    """All parts fit but what must stay whole, and together they have every character that is no space."""
    cut = list(parts(sentence, lambda text: len(text) <= 10))
    assert "".join("".join(cut).split()) == "".join(sentence.split())
    assert all(len(part) <= 10 or verbatim(part) for part in cut)


def test_t02_parts_end_where_people_pause() -> None:
    """A comma near the middle is a better place than the middle, and a space better than the inside of a word."""
    assert list(parts("one two three, four five six seven", lambda text: len(text) <= 22)) == [
        "one two three,",
        "four five six seven",
    ]
    assert list(parts("one <i class=two three> four", lambda text: len(text) <= 8)) == [
        "one",
        "<i class=two three>",
        "four",
    ]
    assert list(parts("one two three four", lambda text: len(text) <= 10)) == ["one two", "three four"]
    assert list(parts("字" * 25, lambda text: len(text) <= 10)) == ["字" * 6, "字" * 6, "字" * 6, "字" * 7]


def test_t07_each_language_has_one_tag_of_a_model() -> None:
    """Of several scripts or spellings the usual one is taken; what is no language is left out."""
    tokens = ["▁the", "zho_Hant", "zho_Hans", "pes_Arab", "prs_Arab", "eng_Latn", "nob_Latn", "ind_Latn", "heb_Hebr"]
    assert Tag.NLLB.among(tokens) == {
        "zh": "zho_Hans",
        "fa": "pes_Arab",
        "en": "eng_Latn",
        "no": "nob_Latn",
        "id": "ind_Latn",
        "he": "heb_Hebr",
    }
    assert Tag.M2M.among(["__en__", "__ns__", "__xx__", "en"]) == {"en": "__en__", "nso": "__ns__"}
    assert Tag.OPUS.among([">>pt_br<<", ">>pt<<", ">>cmn_Hant<<", ">>cmn_Hans<<"]) == {
        "pt": ">>pt<<",
        "zh": ">>cmn_Hans<<",
    }


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("owner/name", Order("owner/name")),
        (" en-pt_BR=/a/b-c ", None),
        ("en-de=/a/b-c", Order("/a/b-c", ("en",), ("de",))),
        ("english-es+fr=x", Order("x", ("en",), ("es", "fr"))),
    ],
)
def test_an_order_names_a_model_and_what_it_translates(text: str, order: Order | None) -> None:
    """Languages are written as anywhere else; a region is refused, since the `-` stands between source and target."""
    if order is None:
        with pytest.raises(SettingsError, match=r"TRANSLATE_MODELS: write en-de="):
            read(text)
    else:
        assert read(text) == [order]


@pytest.mark.parametrize("text", ["", " , ", "xx-en=a", "en=a", "en-de="])
def test_an_order_that_cannot_be_read_names_the_variable(text: str) -> None:
    """Nothing named, no such language, one side missing, no model: each is a line about `TRANSLATE_MODELS`."""
    with pytest.raises(SettingsError, match="TRANSLATE_MODELS: "):
        read(text)


def test_offers_are_short_and_exact() -> None:
    """Pairs of many languages are few groups, which stand for the same pairs."""
    any_to_any = {(one, other) for one in "abcdef" for other in "abcdef" if one != other}
    assert offers(any_to_any) == [{"sources": list("abcdef"), "targets": list("abcdef")}]
    pairs = {("en", "de"), ("de", "en"), ("en", "fr")}
    expanded = {
        (source, target)
        for group in offers(pairs)
        for source in group["sources"]
        for target in group["targets"]
        if source != target
    }
    assert expanded == pairs
