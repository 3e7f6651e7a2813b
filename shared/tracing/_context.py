"""What W3C calls the trace context: the header `traceparent`. https://www.w3.org/TR/trace-context/"""

import re

_SHAPE = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def traceparent_of(header: str | None) -> str | None:
    """What a header says, in the form of version 00; None when there is none or it says nothing."""
    found = _SHAPE.fullmatch((header or "").strip())
    if found is None or (found[1] == "00" and found[5]):
        return None
    return f"00-{found[2]}-{found[3]}-{found[4]}"


def trace_id_of(traceparent: str | None) -> str | None:
    """The id of the trace that it belongs to."""
    return traceparent.split("-")[1] if traceparent else None
