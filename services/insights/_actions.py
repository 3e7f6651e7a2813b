"""Things somebody has to do, found by the grammar of promises, duties, proposals, requests and orders.

Not every 'will' is a promise: the subject must be able to keep it ('it will rain'), and the verb must be something that
one does ('you will see').
"""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from services.insights._due import find_due, resolve
from services.insights._questions import is_question
from shared.messages import ActionItem

if TYPE_CHECKING:
    from spacy.tokens import Span, Token

_PROMISES = {"will", "'ll", "’ll", "shall", "must", "should"}
_REQUESTS = {"can", "could", "will", "would"}
_DUTIES = {"need", "have", "get", "promise", "agree", "plan", "intend", "suppose", "ought"}
_WISHES = {"need", "want", "like"}
_NOT_DONE = {
    "be", "have", "know", "see", "think", "believe", "feel", "hear", "understand", "mean", "like", "love", "hate",
    "want", "need", "hope", "wish", "seem", "remember", "forget", "say", "admit", "become", "grow", "stay", "remain",
    "live", "die", "win", "lose", "find", "notice", "imagine", "mind", "repeat", "explain", "enjoy", "excuse",
    "forgive", "welcome", "hold", "listen", "go", "let", "apologize", "apologise",
}  # fmt: skip
_TALK_ABOUT_TALK = {"look", "start", "begin", "move", "talk", "turn", "face", "hope", "take", "continue", "wait"}
_PERSONS = {"i": "I", "we": "we", "you": "you"}
_THIRD = {"he", "she", "they", "someone", "somebody", "anyone", "anybody", "everyone", "everybody"}
_TEAMS = {"team", "group", "department", "committee", "office", "board"}
_NO_ONE = {"DATE", "TIME", "EVENT", "MONEY", "PERCENT", "CARDINAL", "QUANTITY", "WORK_OF_ART", "LAW"}
_SUBORDINATE = {"advcl", "relcl", "acl", "csubj", "pcomp"}
_PRESENT = {"VB", "VBP", "VBZ", "VBG"}


class _Task(msgspec.Struct, frozen=True):
    """`anchor` is the verb whose clause says it. `certain` is False for forms that need a date to count as a task."""

    anchor: "Token"
    who: str
    certain: bool = True


def action_items(sentence: "Span", *, segment: int, speaker: str | None, today: date) -> Iterator[ActionItem]:
    """What is to be done by what is said in `sentence`, in order. 'I' is `speaker` where that is known."""
    tasks = sorted(_tasks(sentence), key=lambda task: task.anchor.i)
    starts = [_start(task.anchor, sentence) for task in tasks]
    for place, task in enumerate(tasks):
        start = starts[place] if place else sentence.start
        end = starts[place + 1] if place + 1 < len(tasks) else sentence.end
        clause = sentence.doc[start:end]
        due = find_due(clause)
        if not task.certain and due is None:
            continue
        yield ActionItem(
            text=_trimmed(clause),
            who=speaker if task.who == "I" and speaker else task.who,
            due=due,
            due_date=resolve(due, today=today) if due else None,
            segment=segment,
        )


def _tasks(sentence: "Span") -> Iterator[_Task]:
    asked = is_question(sentence)
    forms = (_request,) if asked else (_promise, _duty, _wish, _proposal, _request, _reminder, _order)
    for verb in sentence:
        if not verb.tag_.startswith("VB") or verb.lemma_.lower() in _NOT_DONE or _negated(verb):
            continue
        task = next((task for form in forms if (task := form(verb, sentence)) is not None), None)
        if task is not None and not _subordinate(task.anchor):
            yield task


def _promise(verb: "Token", sentence: "Span") -> _Task | None:
    """'Anna will send it', 'we should book a room'. He, she and they may be people of a story: those need a date."""
    if not any(child.dep_ == "aux" and child.lower_ in _PROMISES for child in verb.children):
        return None
    return _by_subject(verb, verb, sentence)


def _duty(verb: "Token", sentence: "Span") -> _Task | None:
    """'We need to book a room', 'Ben is going to call', 'you are supposed to sign'."""
    head = verb.head
    if verb.dep_ != "xcomp" or not _infinitive(verb) or _negated(head):
        return None
    going = head.lower_ in ("going", "gon") and _subject(head) is not None
    past = head.tag_ not in _PRESENT and head.lower_ not in ("got", "supposed")
    if not going and (head.lemma_ not in _DUTIES or past):
        return None
    if any(
        child.dep_ in ("aux", "auxpass") and child.lower_ in ("was", "were", "did", "had") for child in head.children
    ):
        return None
    return _by_subject(head, head, sentence)


def _wish(verb: "Token", sentence: "Span") -> _Task | None:
    """'I need you to sign it', 'I would like Ben to call'."""
    head = verb.head
    if verb.dep_ not in ("ccomp", "xcomp") or not _infinitive(verb) or head.lemma_ not in _WISHES or _negated(head):
        return None
    return _by_subject(verb, head, sentence) if head.tag_ in _PRESENT else None


def _proposal(verb: "Token", _: "Span") -> _Task | None:
    """'Let's invite the press'; but 'let's look at the numbers' only leads on in the talk."""
    subject = _subject(verb)
    if subject is None or verb.head.lemma_.lower() != "let" or subject.lower_ not in ("'s", "’s", "us"):
        return None
    return _Task(verb.head, "we", certain=verb.lemma_ not in _TALK_ABOUT_TALK)


def _request(verb: "Token", sentence: "Span") -> _Task | None:
    """'Can you ask the suppliers?', 'Ben, could you call?'"""
    modal = next((child for child in verb.children if child.dep_ == "aux" and child.lower_ in _REQUESTS), None)
    subject = _subject(verb)
    if modal is None or subject is None or subject.i < modal.i or subject.lower_ in ("i", "we"):
        return None
    return _by_subject(verb, verb, sentence)


def _reminder(verb: "Token", sentence: "Span") -> _Task | None:
    """'Don't forget to lock the door', 'remember to call'."""
    head = verb.head
    reminds = (head.lemma_ == "forget" and _negated(head)) or head.lemma_.lower() == "remember"
    if verb.dep_ != "xcomp" or not _infinitive(verb) or not reminds or _subject(head) is not None:
        return None
    return _Task(head, _addressed(sentence))


def _order(verb: "Token", sentence: "Span") -> _Task | None:
    """'Please send the folder'; without 'please' only with a date, because stories, too, are told like this."""
    if verb != sentence.root or verb.tag_ not in ("VB", "VBP") or _subject(verb) is not None:
        return None
    if any(child.dep_ in ("aux", "auxpass") for child in verb.children):
        return None
    return _Task(verb, _addressed(sentence), certain=any(token.lower_ == "please" for token in sentence))


def _by_subject(verb: "Token", anchor: "Token", sentence: "Span") -> _Task | None:
    subject = _subject(verb)
    who = _person(subject, sentence) if subject is not None else None
    return _Task(anchor, who, certain=who not in _THIRD - {"someone", "somebody"}) if who else None


def _subject(verb: "Token") -> "Token | None":
    return next((child for child in verb.children if child.dep_ in ("nsubj", "nsubjpass")), None)


def _person(subject: "Token", sentence: "Span") -> str | None:
    """Who `subject` is; None when it is nobody who could do a thing."""
    word = subject.lower_
    if word == "you":
        return _addressed(sentence)
    if word in _PERSONS or word in _THIRD:
        return _PERSONS.get(word, word)
    if subject.lemma_.lower() in _TEAMS:
        return subject.doc[subject.left_edge.i : subject.i + 1].text
    if (
        subject.pos_ != "PROPN"
        or subject.ent_type_ in _NO_ONE
        or any(child.dep_ == "det" for child in subject.children)
    ):
        return None
    first = min((child.i for child in subject.children if child.dep_ == "compound"), default=subject.i)
    last = max(
        (token.i for token in (subject, *subject.conjuncts) if token.pos_ in ("PROPN", "PRON")), default=subject.i
    )
    return subject.doc[first : last + 1].text


def _addressed(sentence: "Span") -> str:
    """The name that is called ('Ben, could you …', '…, please, Ben?'), else 'you'."""
    words = [token for token in sentence if not token.is_space]
    if len(words) > 2 and words[0].pos_ == "PROPN" and words[1].text == ",":
        return words[0].text
    closing = [token for token in words if token.text not in ".!?"]
    if len(closing) > 2 and closing[-1].pos_ == "PROPN" and closing[-2].text == ",":
        return closing[-1].text
    return "you"


def _infinitive(verb: "Token") -> bool:
    return any(child.dep_ == "aux" and child.tag_ == "TO" for child in verb.children)


def _negated(verb: "Token") -> bool:
    return any(child.dep_ == "neg" for child in verb.children)


def _subordinate(verb: "Token") -> bool:
    """Whether the clause is a condition, an aside or a comparison, not what is said."""
    return any(token.dep_ in _SUBORDINATE for token in (verb, *verb.ancestors))


def _start(anchor: "Token", sentence: "Span") -> int:
    """Where the clause of a further task begins: at its subject when it has one."""
    own = [child for child in anchor.children if child.i < anchor.i and child.dep_ != "cc"]
    return max(sentence.start, min((child.left_edge.i for child in own), default=anchor.i))


def _trimmed(clause: "Span") -> str:
    """The clause without the 'and' or comma that joins it to the next one."""
    start, end = clause.start, clause.end
    while end > start and (
        clause.doc[end - 1].dep_ == "cc" or clause.doc[end - 1].text in ",;" or clause.doc[end - 1].is_space
    ):
        end -= 1
    return clause.doc[start:end].text.strip()
