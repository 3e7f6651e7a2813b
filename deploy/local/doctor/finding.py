"""What the doctor has found."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One line: what was looked at, how it is, and, where it is not well, what to do."""

    subject: str
    state: str
    remedy: str | None = None
