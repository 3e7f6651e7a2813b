"""Recordings as people send them, from the form to the result: the real gateway and the real asr stage, which hears
noise instead of speech."""

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from services.asr.stage import STAGE as ASR
from services.gateway.settings import Settings
from shared import keys
from shared.messages import StageName
from shared.redis import Redis
from shared.settings import BaseSettings
from tests.fakes.gateway import served
from tests.fakes.noise import NoiseEngine
from tests.fakes.place import Place
from tests.fakes.recordings import RATE, write, write_video, write_wave
from tests.fakes.stages import STAGES, FakeEngine
from tests.mesh import until_ended, working

SECONDS = 12.0
NOISE = np.random.default_rng(1).normal(0, 0.2, int(SECONDS * RATE)).astype(np.float32)
LONGEST = 60.0

Send = Callable[..., Awaitable[httpx.Response]]
Hear = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def place(redis: Redis, tmp_path: Path) -> Place:
    return Place(redis, tmp_path)


@pytest.fixture
async def send(settings: BaseSettings, place: Place) -> AsyncIterator[Send]:
    """Sends bytes as a recording."""
    gateway = Settings(
        redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=place.spool, max_audio_seconds=LONGEST
    )
    async with served(gateway) as client:

        async def post(content: bytes, name: str = "a.wav", **fields: str) -> httpx.Response:
            return await client.post("/audio/tasks", files={"audio": (name, content)}, data=fields)

        yield post


@pytest.fixture
async def hear(send: Send, settings: BaseSettings, redis: Redis) -> AsyncIterator[Hear]:
    """Sends bytes as a recording and waits for what becomes of it: the partial result of `completed`."""
    nlp = STAGES[StageName.NLP]
    async with working(ASR, NoiseEngine(), settings), working(nlp, FakeEngine(), settings):

        async def result(content: bytes, **fields: str) -> dict[str, Any]:
            answer = await send(content, **fields)
            assert answer.status_code == 202, answer.text
            *_, last = await until_ended(redis, answer.json()["task_id"])
            assert last.error is None, last.error
            return httpx.Response(200, content=bytes(last.partial_result)).json()

        yield result


async def refused(send: Send, place: Place, content: bytes, *, status: int, code: str) -> str:
    """What a client is told; nothing is queued, nothing left."""
    answer = await send(content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert await place.is_clean()
    for inner in (str(place.spool), "upload-", "Traceback", "ffmpeg", "libav", "av."):
        assert inner not in answer.text
    return str(answer.json()["detail"])


def made(folder: Path, name: str, codec: str, **options: Any) -> bytes:
    return write(folder / name, codec, samples=NOISE, **options).read_bytes()


def heard_whole(result: dict[str, Any]) -> bool:
    """Whether the whole of `NOISE` has become text, without a warning."""
    return (
        result["duration"] == pytest.approx(SECONDS, rel=0.01) and not result["warnings"] and result["coverage"] > 0.9
    )


async def test_u02_m4a_that_was_never_finished(tmp_path: Path, send: Send, place: Place) -> None:
    """Nothing can be read of it; the message says what happened."""
    content = made(tmp_path, "a.m4a", "aac")
    detail = await refused(send, place, content[: len(content) * 2 // 3], status=422, code="unreadable_media")
    assert "not complete" in detail


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0, int(SECONDS * RATE * 2 * 10)])
async def test_u03_wav_whose_header_lies(tmp_path: Path, hear: Hear, redis: Redis, size: int) -> None:
    """The bytes that are there count: for the limit, for the quota, and in the result."""
    content = write_wave(tmp_path / "a.wav", NOISE * 32767).read_bytes()
    at = content.index(b"data") + 4
    result = await hear(content[:at] + struct.pack("<I", size) + content[at + 4 :])
    assert heard_whole(result)
    assert await counted(redis, result["task_id"]) == pytest.approx(SECONDS, rel=0.01)


async def test_u04_webm_of_a_browser_without_a_duration(tmp_path: Path, hear: Hear, redis: Redis) -> None:
    """It is read whole, and its length is known from the start."""
    result = await hear(made(tmp_path, "a.webm", "libopus", options={"live": "1"}))
    assert heard_whole(result)
    assert await counted(redis, result["task_id"]) == pytest.approx(SECONDS, rel=0.01)


@pytest.mark.parametrize("size", [3_000, 3_000_000])
async def test_u06_mp3_with_a_picture_that_is_none(tmp_path: Path, hear: Hear, size: int) -> None:
    """Whatever the tag says that it holds, the sound is heard."""
    body = b"\0image/png\0\x03\0\xff\xd8\xff\xe0" + np.random.default_rng(1).bytes(size)
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    length = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    assert heard_whole(await hear(b"ID3\x03\0\0" + length + frame + made(tmp_path, "a.mp3", "libmp3lame")))


@pytest.mark.parametrize("codec", ["pcm_mulaw", "pcm_alaw"])
async def test_u07_telephone_wav(tmp_path: Path, hear: Hear, codec: str) -> None:
    """8 kHz in eight bits is sound like any other."""
    assert heard_whole(await hear(made(tmp_path, "a.wav", codec, rate=8_000)))


async def test_u07_telephone_sound_without_a_header(send: Send, place: Place) -> None:
    """Bytes that could be anything are refused, with what is taken."""
    content = np.random.default_rng(1).bytes(80_000)
    assert "WAV, MP3" in await refused(send, place, content, status=415, code="unsupported_media")


@pytest.mark.parametrize("codec", ["pcm_s24le", "pcm_f32le"])
async def test_u08_studio_wav(tmp_path: Path, hear: Hear, codec: str) -> None:
    """The same text as that of 16 bits."""
    studio = await hear(made(tmp_path, "a.wav", codec, rate=96_000, layout="stereo"))
    plain = await hear(made(tmp_path, "b.wav", "pcm_s16le", rate=16_000))
    assert heard_whole(studio)
    assert studio["transcript"] == plain["transcript"]


async def test_u09_two_speakers_on_two_channels(tmp_path: Path, hear: Hear) -> None:
    """Mixed by default, each for itself when asked."""
    silence = np.zeros_like(NOISE)
    call = np.stack([np.concatenate([NOISE, silence]), np.concatenate([silence, NOISE])], axis=1)
    content = write_wave(tmp_path / "call.wav", call * 32767).read_bytes()
    mixed = await hear(content)
    apart = await hear(content, channels="separate")
    assert {segment.get("channel") for segment in mixed["segments"]} == {None}
    assert sorted({segment["channel"] for segment in apart["segments"]}) == [0, 1]
    assert [segment["index"] for segment in apart["segments"]] == list(range(1, len(apart["segments"]) + 1))
    assert all((segment["start"] > SECONDS - 1) == (segment["channel"] == 1) for segment in apart["segments"])
    assert apart["coverage"] > 0.9
    assert mixed["duration"] == apart["duration"] == 2 * SECONDS
    assert mixed["warnings"] == apart["warnings"] == []


async def test_u10_amr_of_a_telephone(hear: Hear) -> None:
    """It is read, here five seconds of silence."""
    result = await hear(b"#!AMR\n" + (b"\x04" + bytes(12)) * 250)
    assert result["duration"] == pytest.approx(5.0, abs=0.1)
    assert [warning["code"] for warning in result["warnings"]] == ["no_speech"]


async def test_u10_amr_without_a_sound(send: Send, place: Place) -> None:
    """Frames that hold no data are a clear refusal."""
    await refused(send, place, b"#!AMR\n" + b"\x7c" * 250, status=422, code="damaged")


async def test_u12_video_without_sound(tmp_path: Path, send: Send, hear: Hear, place: Place) -> None:
    """It is refused, and the video with sound behind it is taken."""
    silent = write_video(tmp_path / "a.mp4", sound=False).read_bytes()
    await refused(send, place, silent, status=422, code="no_audio_stream")
    assert (await hear(write_video(tmp_path / "b.mp4", sound=True).read_bytes()))["duration"] > 5


@pytest.mark.parametrize("damage", ["middle", "tail"])
@pytest.mark.parametrize(("name", "codec"), [("a.aac", "aac"), ("a.mp3", "libmp3lame"), ("a.flac", "flac")])
async def test_u13_damaged_files(tmp_path: Path, hear: Hear, name: str, codec: str, damage: str) -> None:
    """What can be read becomes text, and a warning says how much that was."""
    content = made(tmp_path, name, codec)
    middle = len(content) // 2
    noise = np.random.default_rng(2).bytes(2_000)
    broken = content[:middle] + noise + content[middle + 2_000 :]
    result = await hear(broken if damage == "middle" else content[: len(content) * 7 // 10])
    (warning,) = result["warnings"]
    assert warning["code"] == "truncated_or_damaged"
    assert f"{result['duration']:.1f}" in warning["message"]
    assert 0.6 * SECONDS < result["duration"] < SECONDS
    assert result["segments"]


@pytest.mark.parametrize("content", [b"plain text\n", b"%PDF-1.7\n" + b"x" * 3_000, b"PK\x03\x04" + bytes(3_000)])
async def test_u14_what_is_no_recording(send: Send, place: Place, content: bytes) -> None:
    """Whatever it is called."""
    await refused(send, place, content, status=415, code="unsupported_media")


@pytest.mark.parametrize("samples", [0, 160])
async def test_u15_wav_without_sound(tmp_path: Path, send: Send, place: Place, samples: int) -> None:
    """A header, or ten milliseconds."""
    content = write_wave(tmp_path / "a.wav", np.zeros(samples)).read_bytes()
    await refused(send, place, content, status=422, code="empty_audio")


@pytest.mark.parametrize("content", [b"", b"\x1aE\xdf\xa3\x01"])
async def test_u15_no_bytes_or_five(send: Send, place: Place, content: bytes) -> None:
    """A microphone that was let go of at once."""
    await refused(send, place, content, status=422, code="empty_audio")


async def test_u23_hours_in_a_small_file(tmp_path: Path, send: Send, place: Place) -> None:
    """Twenty minutes of silence in a fraction of what they take as samples: the packets tell, and the refusal names
    both lengths."""
    content = repeated(write(tmp_path / "a.ogg", "libopus", options={}, samples=np.zeros(30 * RATE, np.float32)), 40)
    assert len(content) < 1_000_000
    detail = await refused(send, place, content, status=413, code="too_long")
    assert "20.0 minutes" in detail
    assert "60.0 seconds" in detail


def repeated(path: Path, times: int) -> bytes:
    """The packets of the recording at `path`, again and again."""
    out = path.with_name("repeated.ogg")
    source: Any = av.open(path)
    target: Any = av.open(out, "w")
    with source, target:
        (stream,) = source.streams
        copy = target.add_stream_from_template(stream)
        packets = [(bytes(packet), packet.duration) for packet in source.demux(stream) if packet.size]
        time = 0
        for content, duration in packets * times:
            packet: Any = av.Packet(content)
            packet.pts = packet.dts = time
            packet.duration, packet.time_base, packet.stream = duration, stream.time_base, copy
            target.mux(packet)
            time += duration
    return out.read_bytes()


async def counted(redis: Redis, task_id: str) -> float:
    """The length of the recording that the task's record holds."""
    fields = await redis.hgetall(keys.task(task_id))
    return float(fields[b"duration"])
