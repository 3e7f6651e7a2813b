"""The parts of the client that need no gateway."""

import io
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from services.gateway.intake.forms import AUDIO_URL, FIELDS
from shared.client import MeshClient
from shared.client._form import Form, Options, fields_of, recording_form
from shared.client._sse import Message, Parser
from shared.client._task import decode_update
from shared.messages import Segment, Summary, TranscriptPart

SERVERS = ("arq", "litestar", "obstore", "prometheus_client", "redis", "structlog", "uvloop", "langcodes")


def test_it_imports_nothing_of_the_servers() -> None:
    """The client takes msgspec and httpx, so that it can be had without the rest."""
    code = f"import sys, shared.client; print([name for name in {SERVERS} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_s07_events_come_through_whatever_their_text_and_however_they_are_cut(size: int) -> None:
    """Separators of other kinds do not end a line, pieces of any size make the same events, comments are none."""
    texts = ["plain", "a\u2028b\u2029c", "x\x85y\x0bz\x1c", "tab\tand: colon", "ünï😀"]
    stream = b": open\n\n: ping\n\nretry: 2000\n"
    stream += b"".join(b"id: %d-0\ndata: %s\n\n" % (at, text.encode()) for at, text in enumerate(texts, 1))
    stream += b"data: no id\r\n\r\nevent: of the future\n\ndata: two\ndata: lines\n\nid: 9-0\ndata: not complete\n"
    parser = Parser()
    found = [message for at in range(0, len(stream), size) for message in parser.feed(stream[at : at + size])]
    assert found == [
        *(Message(f"{at}-0", text.encode()) for at, text in enumerate(texts, 1)),
        Message("", b"no id"),
        Message("", b"two\nlines"),
    ]
    assert parser.retry_seconds == 2.0


def test_only_events_and_pings_are_signs_of_life() -> None:
    """A gateway that ends each stream at once must not keep a client busy for ever."""
    parser = Parser()
    parser.feed(b": open\n\nretry: 2000\n")
    assert not parser.alive
    parser.feed(b": ping\n\n")
    assert parser.alive


def _event(step: str, partial: bytes) -> bytes:
    head = b'{"task_id":"t","step":"%s","progress":10,"message":"","timestamp":"2024-05-15T12:00:00Z"' % step.encode()
    return head + (b',"partial_result":' + partial if partial else b"") + b"}"


def test_partial_results_have_the_type_of_their_step() -> None:
    """What a step brings is typed; a step without anything, or with null, has None."""
    part = b'{"transcript":"Hi","segment":{"type":"segment","index":1,"start":0,"end":1,"text":"Hi"},"is_final":false}'
    update = decode_update("1-0", _event("transcription", part))
    assert update is not None
    assert update.partial == TranscriptPart(transcript="Hi", segment=Segment(index=1, start=0, end=1, text="Hi"))
    for step, partial, expected in (
        ("summarization_complete", b'{"summary":null}', Summary(summary=None)),
        ("summarization_complete", b"null", None),
        ("ner", b"", None),
    ):
        update = decode_update("2-0", _event(step, partial))
        assert update is not None
        assert update.partial == expected


def test_steps_of_the_future_are_passed_over() -> None:
    """A gateway that is newer than the client may have steps that this one does not know."""
    assert decode_update("1-0", _event("sharpening", b"")) is None


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"include_insights": True, "diarize": False}, [("include_insights", "true"), ("diarize", "false")]),
        ({"language": "en", "hotwords": "a, b"}, [("language", "en"), ("hotwords", "a, b")]),
        ({"topics": ["a b", "c"], "redact": ()}, [("topics", "a b,c"), ("redact", "")]),
        ({"topics": ["a, b", "c"]}, [("topics", "a, b"), ("topics", "c"), ("topics", "")]),
    ],
    ids=["yes and no", "text", "lists", "an item with a comma"],
)
def test_options_become_text(options: dict[str, object], fields: list[tuple[str, str]]) -> None:
    """Booleans, lists and text as the form takes them."""
    assert fields_of(options) == fields


async def test_a_form_is_the_same_whatever_the_recording_comes_from(tmp_path: Path) -> None:
    """Path, bytes, a file from where it stands, and a stream make the same body, its length told where it is known."""
    content = b"\x00\xff--\r\n" * 300_000
    path = tmp_path / "sound.wav"
    path.write_bytes(content)

    async def stream() -> AsyncIterator[bytes]:
        yield content[:5]
        yield content[5:]

    file = io.BytesIO(b"skipped" + content)
    file.seek(7)
    bodies: list[bytes] = []
    for audio in (path, content, file, stream()):
        form = Form([("language", "en")], "audio", audio, name='a"b\n.wav')
        boundary = form.headers["Content-Type"].partition("boundary=")[2].encode()
        body = b"".join([chunk async for chunk in form.body()])
        assert form.headers.get("Content-Length") in (str(len(body)), None)
        assert form.repeatable == (audio in (path, content, file))
        bodies.append(body.replace(boundary, b"X"))
    head = b'--X\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n'
    head += b'--X\r\nContent-Disposition: form-data; name="audio"; filename="a%22b%0A.wav"\r\n\r\n'
    assert bodies == [head + content + b"\r\n--X--\r\n"] * 4


async def test_a_recording_by_its_url_is_a_field_like_others() -> None:
    """Its form can be sent again, and tells its length. A file's name is no URL, and a URL goes by its own name."""
    form = recording_form("HTTPS://media.example.com/12.mp3?a=b", {"language": "en"}, name="")
    boundary = form.headers["Content-Type"].partition("boundary=")[2].encode()
    body = b"".join([chunk async for chunk in form.body()])
    assert form.headers["Content-Length"] == str(len(body))
    assert form.repeatable
    fields = (b'name="language"\r\n\r\nen\r\n', b'name="audio_url"\r\n\r\nHTTPS://media.example.com/12.mp3?a=b\r\n')
    start = b"--X\r\nContent-Disposition: form-data; "
    assert body.replace(boundary, b"X") == b"".join(start + field for field in fields) + b"--X--\r\n"
    with pytest.raises(ValueError, match=re.escape("a file is Path('talk.mp3')")):
        recording_form("talk.mp3", {}, name="")
    with pytest.raises(ValueError, match="takes no name"):
        recording_form("https://media.example.com/12.mp3", {}, name="12")


@pytest.mark.parametrize("url", ["", "localhost:8000", "redis://localhost", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """At once, and not with the first request."""
    with pytest.raises(ValueError, match="http://host:8000"):
        MeshClient(url)


def test_all_that_a_form_takes_can_be_asked_for() -> None:
    """The options are the gateway's fields, but for the one that stands in place of a recording."""
    assert Options.__annotations__.keys() == FIELDS - {AUDIO_URL}


def test_what_is_no_option_is_not_sent_as_one() -> None:
    """None leaves a field out, any collection is a list, and what is neither text nor number nor list is an error."""
    assert fields_of({"language": None, "topics": None}) == []
    assert fields_of({"topics": (word for word in ("a", "b"))}) == [("topics", "a,b")]
    assert fields_of({"topics": {"a"}, "num_speakers": 2}) == [("topics", "a"), ("num_speakers", "2")]
    for wrong in (b"en", {"a": 1}, object()):
        with pytest.raises(TypeError, match="An option is a text"):
            fields_of({"language": wrong})


def test_what_is_no_recording_is_said() -> None:
    """Bytes of any kind are one; a list, or nothing at all, is a `TypeError` before anything is sent."""
    for sound in (b"sound", bytearray(b"sound"), memoryview(b"sound")):
        assert recording_form(sound, {}, name="").size is not None
    for wrong in (None, [b"sound"], 5):
        with pytest.raises(TypeError, match="A recording is a path"):
            recording_form(cast("Any", wrong), {}, name="")
