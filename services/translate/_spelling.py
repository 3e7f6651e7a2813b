"""Words that a model cannot spell are hidden from it, or it would drop or garble them: `Zoë`, where it knows no `ë`."""

from collections.abc import Callable, Sequence

from services.translate._masks import Masked, Span, mask, restore

_PLAIN = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "–": "-", "—": "-"})
_AROUND = ".!?,;:… \"'()[]"

Infer = Callable[[Sequence[str]], list[str]]
"""Sentences to their translations, in order."""


def spelled(sentences: Sequence[str], infer: Infer, *, unknown: Callable[[str], bool]) -> list[str]:
    """The translations by `infer`, with words that are `unknown` to the model passed around it.

    Where the model does not keep their places, it translates what it can read of them."""
    plain = [" ".join(_readable(word, unknown) for word in sentence.split()) for sentence in sentences]
    hidden = [_hidden(sentence, unknown) for sentence in plain]
    texts = [
        restore(masked, answer) for masked, answer in zip(hidden, infer([one.text for one in hidden]), strict=True)
    ]
    lost = [number for number, text in enumerate(texts) if text is None]
    again = iter(infer([plain[number] for number in lost]) if lost else [])
    return [text if text is not None else next(again) for text in texts]


def plainly(text: str) -> str:
    """`text` with typewriter quotes and dashes, which every model knows."""
    return text.translate(_PLAIN)


def _readable(word: str, unknown: Callable[[str], bool]) -> str:
    """`word`, or a spelling of it that the model knows: plain quotes, or in lower case (`À` as `à`)."""
    if not unknown(word):
        return word
    plain = plainly(word)
    return plain.lower() if unknown(plain) and not unknown(plain.lower()) else plain


def _hidden(sentence: str, unknown: Callable[[str], bool]) -> Masked:
    spans: list[Span] = []
    start = 0
    for word in sentence.split(" "):
        core = word.strip(_AROUND)
        if core and unknown(word):
            place = start + word.index(core)
            spans.append((place, place + len(core)))
        start += len(word) + 1
    return mask(sentence, spans)
