"""How the text of a recording is printed."""

import io
import sys

import pytest

from deploy.local.transcribe.session import _printed  # pyright: ignore[reportPrivateUsage]


class Output(io.TextIOWrapper):
    """A standard output in an encoding that knows no foreign letters."""

    def __init__(self, *, terminal: bool) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="ascii")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("text", "piped", "shown"),
    [
        ("Até já.\n声", "Até já.\n声\n", "Até já.\n声\n"),
        ("1\r\nA\x1b[2J\r\n", "1\r\nA\x1b[2J\r\n", "1\nA\N{REPLACEMENT CHARACTER}[2J\n"),
        ("start\tend\n", "start\tend\n", "start   end\n"),
        ("", "", ""),
    ],
    ids=["letters", "control", "tabs", "nothing"],
)
def test_a_pipe_gets_what_a_file_would_and_a_terminal_no_commands(
    monkeypatch: pytest.MonkeyPatch, text: str, piped: str, shown: str
) -> None:
    """UTF-8 whatever the locale, byte by byte; what a terminal would obey does not reach one."""
    for terminal, expected in ((False, piped), (True, shown)):
        output = Output(terminal=terminal)
        monkeypatch.setattr(sys, "stdout", output)
        assert _printed(text)
        assert output.bytes.getvalue().decode() == expected
