"""Subtitles of the sample recording, from the real models, as programs read them that play them."""

import asyncio
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import webvtt
from playwright.sync_api import Page, sync_playwright

from services.asr.engine import make_engine as make_recogniser
from services.asr.settings import Settings as AsrSettings
from services.asr.stage import run as transcribe
from services.translate.engine import make_engine as make_translator
from services.translate.settings import Settings as TranslateSettings
from services.translate.stage import run as translate
from shared.errors import ModelMissing
from shared.messages import Document, Options, Result
from shared.models.store import locate
from shared.result import assemble
from shared.text.subtitles import Format, render
from tests.fakes.stage import FakeEmit, FakeWork

MODELS = Path("~/.cache/voxmesh/models")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Shown(msgspec.Struct, frozen=True):
    """A cue as a program has read it; times in seconds."""

    start: float
    end: float
    text: str


@pytest.fixture(scope="module")
def result(recording: Path) -> Result:
    """What the mesh makes of the sample: its transcript with words, and the Portuguese translation."""
    return asyncio.run(_result(recording))


async def _result(recording: Path) -> Result:
    try:
        locate(MODELS, "whisper-base")
    except ModelMissing as missing:
        pytest.skip(str(missing))
    recogniser = make_recogniser(AsrSettings(asr_engine="light", asr_model="whisper-base", models_dir=MODELS))
    recogniser.load()
    heard = FakeWork(Options(language="en", target_language="pt"), audio=recording)
    document = await transcribe(heard, recogniser, FakeEmit(heard))
    translator = make_translator(TranslateSettings())
    translator.load()
    said = FakeWork(heard.options, batches=[heard.written], document=document)
    translated: Document = await translate(said, translator, FakeEmit(said))
    return assemble("sample", said.written, translated)


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page in a real browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.route("http://player/", lambda route: route.fulfill(body="<!doctype html><video></video>"))
        page.goto("http://player/")
        yield page
        browser.close()


def check(cues: list[Shown], result: Result, *, translated: bool) -> None:
    """In order, none overlaps another, none is behind the end, each can be read, and all of the text is there."""
    before = 0.0
    for cue in cues:
        assert before <= cue.start < cue.end <= result.duration
        assert 0.99 <= cue.end - cue.start <= 7.0
        lines = cue.text.split("\n")
        assert len(lines) <= 2
        assert max(map(len, lines)) <= 42
        before = cue.end
    whole = (result.translation if translated else result.transcript) or ""
    assert " ".join(" ".join(cue.text.split()) for cue in cues) == " ".join(whole.split())


@pytest.mark.parametrize("translated", [False, True])
@pytest.mark.parametrize("kind", [Format.VTT, Format.SRT])
def test_a_strict_parser_reads_them(result: Result, kind: Format, *, translated: bool) -> None:
    """webvtt-py, which refuses what the standard does not allow."""
    text = render(result, kind, translated=translated)
    captions: Any = webvtt.from_buffer(io.StringIO(text), format=kind.value, strict=True)
    cues = [Shown(_seconds(caption.start), _seconds(caption.end), caption.text) for caption in captions]
    assert len(cues) > 10
    check(cues, result, translated=translated)


@pytest.mark.parametrize("translated", [False, True])
def test_a_browser_shows_them(result: Result, page: Page, *, translated: bool) -> None:
    """Chromium's own parser, by a track of a video."""
    text = render(result, Format.VTT, translated=translated)
    page.route("**/track.vtt", lambda route: route.fulfill(body=text, content_type="text/vtt; charset=utf-8"))
    cues = page.evaluate(
        """() => new Promise((resolve, reject) => {
            const track = document.createElement('track');
            track.src = '/track.vtt';
            track.onerror = () => reject(new Error('not WebVTT'));
            track.onload = () => resolve(Array.from(track.track.cues, cue => [
                cue.startTime, cue.endTime, cue.getCueAsHTML().textContent
            ]));
            document.querySelector('video').append(track);
            track.track.mode = 'showing';
        })"""
    )
    assert len(cues) == text.count(" --> ")
    check([Shown(*cue) for cue in cues], result, translated=translated)


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
