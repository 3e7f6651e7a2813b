"""By when something is to be done: the words that say so, and the date that follows from them."""

import calendar
import re
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.tokens import Span, Token

_LEADS_IN = {"by", "before", "until", "till", "after", "on", "at", "in", "within", "for", "during"}
_DEADLINES = {"by", "before", "until", "till", "after"}
_MOMENTS = {"lunch", "noon", "midnight", "breakfast", "dinner", "meeting", "call", "launch", "release", "deadline"}
_HASTE = re.compile(r"\b(?:as soon as possible|asap|immediately|right away|straight away)\b", re.IGNORECASE)
_WEEKDAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name)}
_COUNTED = re.compile(r"(?:in|after) .*(?:week|month|year)s?|.* from now")


def find_due(clause: "Span") -> str | None:
    """The speaker's wording ('by Friday', 'before lunch', 'tomorrow at 3 pm'), None when no time is set."""
    spans = [span for span in map(_timed, clause.ents) if span is not None]
    if spans:
        first, last = spans[0], spans[0]
        for span in spans[1:]:
            if span.start - last.end <= 1:
                last = span
        return clause.doc[first.start : last.end].text
    for token in clause:
        if token.lower_ in _DEADLINES and (moment := _moment(token)) is not None:
            return clause.doc[token.i : moment.i + 1].text
    haste = _HASTE.search(clause.text)
    return haste[0] if haste else None


def resolve(due: str, *, today: date) -> str | None:
    """The ISO date that `due` means when said on `today`; None when it means no particular day.

    'Friday' is the next one; 'next Friday' that of the week after this one; the end of a week is its Friday.
    """
    words = [word for word in due.lower().split() if word != "the"]
    while words and words[0] in _LEADS_IN - {"in", "within", "after"}:
        words = words[1:]
    wording = " ".join(words)
    if wording.startswith(("end of", "end this", "end next")):
        return _end_of(wording, today)
    if words[:1] == ["next"] and words[1:2] and words[1] in _WEEKDAYS:
        monday = today + timedelta(days=7 - today.weekday())
        return (monday + timedelta(days=_WEEKDAYS[words[1]])).isoformat()
    return _parsed(wording.replace("within", "in"), today)


def _timed(entity: "Span") -> "Span | None":
    """A date or time that says when something is done, with the preposition before it.

    Not 'the Monday meeting', 'since May', 'for two weeks', 'every day', and no minutes that are written."""
    if entity.label_ not in ("DATE", "TIME") or entity.root.dep_ in ("compound", "nmod", "amod", "poss", "nsubj"):
        return None
    if entity[0].lower_ in ("every", "each", "daily", "last", "yesterday"):
        return None
    head = entity.root.head
    if head.pos_ not in ("ADP", "SCONJ") or head.i >= entity.start:
        return None if entity.root.dep_ == "dobj" else entity
    counted = any(token.like_num for token in entity)
    if head.lower_ not in _LEADS_IN or (head.lower_ == "for" and counted):
        return None
    return entity.doc[head.i : entity.end]


def _moment(preposition: "Token") -> "Token | None":
    for child in preposition.children:
        if child.dep_ in ("pobj", "pcomp") and child.lemma_.lower() in _MOMENTS:
            return child
    return None


def _end_of(wording: str, today: date) -> str | None:
    ahead = 1 if "next" in wording else 0
    if "day" in wording.split() or "today" in wording:
        return today.isoformat()
    if "week" in wording:
        return (today + timedelta(days=4 - today.weekday() + 7 * ahead)).isoformat()
    if "month" in wording:
        year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        return _last_day(year, month + 1)
    if "year" in wording:
        return date(today.year + ahead, 12, 31).isoformat()
    month = _MONTHS.get(wording.rsplit(maxsplit=1)[-1])
    return _last_day(today.year + (month < today.month), month) if month else None


def _last_day(year: int, month: int) -> str:
    return date(year, month, calendar.monthrange(year, month)[1]).isoformat()


def _parsed(wording: str, today: date) -> str | None:
    from dateparser.date import DateDataParser

    settings: Any = {"RELATIVE_BASE": datetime.combine(today, time()), "PREFER_DATES_FROM": "future"}
    found = DateDataParser(languages=["en"], settings=settings).get_date_data(wording)
    # 'December' and 'next week' are no days, though the library picks one; 'in two weeks' is.
    if found.date_obj is None or not (found.period == "day" or _COUNTED.fullmatch(wording)):
        return None
    return found.date_obj.date().isoformat()
