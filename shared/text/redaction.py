"""What can be masked in a text on request: the kinds, and those of them that have a form by which they are known.

The forms take in too much rather than too little, and each is bounded, so that no text takes time beyond its length.
"""

import re
from collections.abc import Mapping

_DIGIT = "(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)"

PATTERNS: Mapping[str, re.Pattern[str]] = {
    "email": re.compile(
        r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
        r"|\b[\w.+-]{1,64}(?: dot [\w-]{1,63}){0,4} at [\w-]{1,63}(?: dot [\w-]{1,63}){1,4}\b",
        re.IGNORECASE,
    ),
    "url": re.compile(r"(?:https?://|\bwww\.)[^\s<>\"]{0,2000}[\w/]", re.IGNORECASE),
    "iban": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"),
    "card": re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"),
    "ip": re.compile(
        r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d)"
        r"|(?<![\w:])(?:[0-9a-f]{1,4}:){1,7}(?::[0-9a-f]{1,4}){1,7}(?![\w:])"
        r"|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])",
        re.IGNORECASE,
    ),
    "phone": re.compile(
        rf"(?<!\w)\+?\(?\d(?:[\s()./-]{{0,3}}\d){{6,14}}(?!\w)|\b{_DIGIT}(?:[\s,-]{{1,3}}{_DIGIT}){{6,20}}\b",
        re.IGNORECASE,
    ),
}
"""How things look, also as they are said: 'anna at example dot com', 'five five five, one two three four'."""

ENTITIES = ("person", "organization", "location", "date", "time", "money", "nationality")
"""What only a model can find."""

KINDS = (*ENTITIES, *PATTERNS)
