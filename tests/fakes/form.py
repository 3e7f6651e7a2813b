"""Bodies of submissions, written by hand, down to what no well-behaved client would send."""

import io
import wave


def wav(seconds: float = 1.0) -> bytes:
    """A recording of a falling tone, 16 kHz mono."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(
            b"".join(
                ((step * step // 64) % 16_000 - 8_000).to_bytes(2, "little", signed=True)
                for step in range(int(seconds * 16_000))
            )
        )
    return buffer.getvalue()


def part(name: str, content: bytes, *, disposition: str = "", kind: str = "") -> bytes:
    """One part of a form, written by hand. A surrogate stands for a byte that is no UTF-8."""
    head = f'Content-Disposition: form-data; name="{name}"{disposition}\r\n'
    head += f"Content-Type: {kind}\r\n" if kind else ""
    return b"--X\r\n" + head.encode(errors="surrogateescape") + b"\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """The parts as one body."""
    return b"".join(parts) + b"--X--\r\n"
