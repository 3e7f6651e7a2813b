"""`redact=` over a real mesh with the embedded models: what nobody may read is in nothing that anybody can get."""

import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import numpy as np
import pytest

from shared import codec
from shared.messages import Result
from shared.text.subtitles import Format
from tests.fakes.gateway import frames
from tests.fakes.recordings import write_wave
from tests.fakes.voice import say

pytestmark = pytest.mark.timeout(300)  # loading takes a minute where others compute beside us

TEXT = """Emma Miller met David Brown in Berlin. Please call Emma on 555 123

4567 after six, or write to anna.smith@

example.com. Can David send the report to Laura Johnson by Friday?"""
FORMATS = {"text": [Format.TXT], "audio": list(Format)}
SPOKEN = "My name is Emma Miller. Please call me. The number is five five five, one two three, four five six seven."
NUMBER = r"(?<![\d.])(?:555|123|4567)(?!\d)"
SECRETS = re.compile(rf"emma|miller|david|brown|laura|johnson|{NUMBER}|anna|smith|example\.?com|@", re.IGNORECASE)
SAID = re.compile(rf"emma|miller|five five|{NUMBER}", re.IGNORECASE)


async def everything(client: httpx.AsyncClient, kind: str, content: bytes) -> tuple[Result, Mapping[str, str]]:
    """The result of a recording (`audio`) or a `text` with names, numbers and addresses masked; and all that the
    gateway has to say about it, by what it is."""
    asked = {"language": "en", "include_translation": "true", "include_insights": "true"}
    form = {name: (None, value.encode()) for name, value in asked.items()}
    form["redact"] = (None, b"person,email,phone")
    files = [*form.items(), (kind, ("memo", content))]
    told: dict[str, str] = {}
    async with client.stream("POST", f"/{kind}/process-stream-realtime", files=files, timeout=120) as response:
        assert response.status_code == 200, await response.aread()
        task_id = response.headers["x-task-id"]
        last = b""
        async for number, last in frames(response):
            told[f"event {number}"] = last.decode()
    event = codec.decode_event(last)
    assert event.step == "completed", event
    task = f"/audio/tasks/{task_id}"
    paths = [task, f"{task}/result", *(f"{task}/result?format={each.value}" for each in FORMATS[kind])]
    paths += [f"{path}&translated=true" for path in paths if "format" in path]
    for path in paths:
        told[path.removeprefix(task)] = (await client.get(path, timeout=60)).raise_for_status().text
    return codec.decode_result(event.partial_result), told


async def test_nothing_of_a_text_can_be_read(client: httpx.AsyncClient) -> None:
    """Names, a number and an address that are cut by blank lines: in no event, result, file or insight."""
    result, told = await everything(client, "text", TEXT.encode())
    assert {where: found[0] for where, text in told.items() if (found := SECRETS.search(text))} == {}
    assert "[PERSON]" in result.transcript
    assert result.transcript.count("[PHONE]") == result.transcript.count("[EMAIL]") == 2
    assert result.insights is not None
    assert [item.segment for item in result.insights.action_items] != []
    assert {entity.text for entity in result.entities if entity.label == "person"} == {"[PERSON]"}


async def test_nothing_of_a_recording_can_be_read(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """What Whisper has heard, with the times of its words, and the subtitles made of them."""
    samples = say(tmp_path, SPOKEN)
    path = write_wave(tmp_path / "memo.wav", 32_767 * np.concatenate([samples, np.zeros(8_000, np.float32)]))
    result, told = await everything(client, "audio", path.read_bytes())
    assert {where: found[0] for where, text in told.items() if (found := SAID.search(text))} == {}
    assert "[PERSON]" in result.transcript
    assert "[PHONE]" in result.transcript
    words = [word for segment in result.segments for word in segment.words]
    assert {"[PERSON]", "[PHONE]"} <= {word.text.strip(" .,") for word in words}
