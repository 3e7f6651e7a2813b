"""Questions, by their mark or by the order of their words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokens import Span, Token

_INTERROGATIVES = {"what", "who", "whom", "whose", "which", "where", "when", "why", "how"}
_OPENINGS = {"so", "and", "but", "or", "okay", "ok", "well", "now", "then", "right", "hey", "um", "uh", "also"}
_FINITE = {"MD", "VBZ", "VBP", "VBD"}
_SUBJECTS = {"nsubj", "nsubjpass", "expl"}


def is_question(sentence: "Span") -> bool:
    """Whether something is asked; without a mark only when auxiliary and subject have changed places."""
    if sentence.text.rstrip("\"'”’») ").endswith("?"):
        return True
    words = [token for token in sentence if token.is_alpha or "'" in token.text]
    while words and words[0].lower_ in _OPENINGS:
        words = words[1:]
    if len(words) < 3:
        return False
    first, root = words[0], sentence.root
    subjects = [child for child in root.children if child.dep_ in _SUBJECTS]
    if first.lower_ in _INTERROGATIVES:
        return _asks(first, root, subjects)
    # 'Had he known, …' is a condition; all other auxiliaries that come first ask.
    return _carries(first, root) and first.lower_ != "had" and any(subject.i > first.i for subject in subjects)


def _asks(interrogative: "Token", root: "Token", subjects: Sequence["Token"]) -> bool:
    """'What is the plan', 'who comes', but not 'what we need is a plan'."""
    if any(token.dep_ in ("csubj", "advcl", "ccomp") for token in (interrogative, *interrogative.ancestors)):
        return False
    if interrogative in subjects and interrogative.lower_ in ("who", "what", "which"):
        return root.tag_ in _FINITE or any(_carries(child, root) for child in root.children)
    verbs = [token for token in (root, *root.children) if _carries(token, root) and token.i > interrogative.i]
    return any(subject.i > min(verb.i for verb in verbs) for subject in subjects) if verbs else False


def _carries(token: "Token", root: "Token") -> bool:
    """Whether `token` is the finite auxiliary of the sentence, or a form of 'be' that is its verb."""
    if token == root:
        return token.lemma_ == "be" and token.tag_ in _FINITE
    return token.head == root and token.dep_ in ("aux", "auxpass") and token.tag_ in _FINITE
