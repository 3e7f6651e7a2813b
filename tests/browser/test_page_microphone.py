"""Speaking to the web page: the microphone of this Chromium hears a recording."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from shared.errors import ModelMissing
from shared.models.store import locate
from tests.conftest import free_port
from tests.fakes.browser import chromium, microphone, visit
from tests.fakes.meeting import Conductor
from tests.fakes.recordings import speech, wav_of
from tests.local_mesh import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODELS = Path(os.environ.get("MODELS_DIR", "~/.cache/voxmesh/models")).expanduser()
EMBEDDED = ("whisper-base", "resemblyzer", "minilm-l6-v2", "spacy-en-core-web-sm")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is said into the microphone: the beginning of the sample, with two sentences, again and again."""
    path = tmp_path_factory.mktemp("spoken") / "spoken.wav"
    path.write_bytes(wav_of(speech(7.2)))
    return path


async def speak(page: Page, *, seconds: int) -> None:
    """Record for so long."""
    await page.get_by_role("button", name="Record").click()
    await expect(page.get_by_role("button", name=f"Stop 0:{seconds:02}")).to_be_visible()
    await page.get_by_role("button", name="Stop").click()


async def test_what_is_spoken_is_handed_in_and_can_be_heard(address: str, spoken: Path, conductor: Conductor) -> None:
    """The recording has a name and a length, and its words play it, also after a reload."""
    async with chromium(*microphone(spoken)) as browser, visit(browser, address) as page:
        await speak(page, seconds=2)
        conductor.go_on()
        await expect(page.locator("#downloads")).to_be_visible()
        await expect(page.locator("#task-title")).to_contain_text("Recording 20")
        for _ in range(2):
            await page.wait_for_function("() => { const {duration} = audio; return duration > 1 && duration < 10; }")
            await page.locator(".word", has_text="morning").click()
            await expect(page.locator(".word.heard")).to_have_count(1)
            await page.reload()
            await expect(page.locator("#downloads")).to_be_visible()


async def test_nobody_leaves_while_speaking_by_mistake(address: str, spoken: Path, conductor: Conductor) -> None:
    """What is said is nowhere but in the page: the browser asks before it is closed."""
    async with chromium(*microphone(spoken)) as browser, visit(browser, address) as page:
        await page.get_by_role("button", name="Record").click()
        await expect(page.get_by_role("button", name="Stop 0:01")).to_be_visible()
        async with page.expect_event("dialog") as asked:
            await page.close(run_before_unload=True)
        question = await asked.value
        assert question.type == "beforeunload"
        await question.dismiss()
        await page.get_by_role("button", name="Stop").click()
        conductor.go_on()
        await expect(page.locator("#downloads")).to_be_visible()


NOTED = """
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async wanted => {
        globalThis.heard = await open(wanted);
        return globalThis.heard;
    };
"""
BROKEN = "MediaRecorder.prototype.start = () => { throw new DOMException('no', 'NotSupportedError'); };"
OPEN = "globalThis.heard?.getTracks().map(track => track.readyState)"
"""How the microphone stands that the page has opened."""


async def test_a_recorder_that_fails_leaves_no_microphone_open(address: str, spoken: Path) -> None:
    """Between the permission and the first sound: the page says so, and does not listen on."""
    async with chromium(*microphone(spoken)) as browser, visit(browser) as page:
        await page.add_init_script(NOTED + BROKEN)
        await page.goto(address)
        await page.get_by_role("button", name="Record").click()
        await expect(page.locator("#refusals")).to_contain_text("cannot record from this microphone")
        assert await page.evaluate(OPEN) == ["ended"]
        await expect(page.get_by_role("button", name="Record")).to_be_enabled()


async def test_a_page_that_is_left_does_not_listen_on(address: str, spoken: Path, conductor: Conductor) -> None:
    """Also where the browser keeps it for the way back: what was said until then is handed in by the button."""
    async with chromium(*microphone(spoken)) as browser, visit(browser) as page:
        await page.add_init_script(NOTED)
        await page.goto(address)
        await page.get_by_role("button", name="Record").click()
        await expect(page.get_by_role("button", name="Stop 0:01")).to_be_visible()
        assert await page.evaluate(OPEN) == ["live"]
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
        assert await page.evaluate(OPEN) == ["ended"]
        conductor.go_on()
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator("#downloads")).to_be_visible()


async def test_without_a_microphone_the_page_says_so(web_page: Page) -> None:
    """In a browser that has none, or may use none, nothing breaks."""
    await web_page.get_by_role("button", name="Record").click()
    await expect(web_page.locator("#refusals")).to_contain_text("Microphone: Nothing is recorded.")
    await expect(web_page.get_by_role("button", name="Record")).to_be_enabled()


@asynccontextmanager
async def real_mesh(home: Path) -> AsyncGenerator[str]:
    """The address of a whole mesh with the embedded models, as `voxmesh up` runs it."""
    port = free_port()
    command = [sys.executable, "-m", "deploy.local.cli", "up", "--port", str(port)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REDIS_")}
    environ |= {"VOXMESH_HOME": str(home), "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        while line := await process.stdout.readline():
            if line.startswith(b"ready http"):
                break
        else:
            pytest.fail("the mesh did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.slow
@pytest.mark.timeout(300)  # models are loaded, beside whatever else this machine does
async def test_the_whole_mesh_understands_what_is_spoken(tmp_path: Path, spoken: Path) -> None:
    """Real models: the words that were said, their translation, names that are marked, and all that follows."""
    try:
        for model in EMBEDDED:
            locate(MODELS, model)
    except ModelMissing as missing:
        pytest.skip(str(missing))
    async with (
        chromium(*microphone(spoken)) as browser,
        real_mesh(tmp_path) as address,
        visit(browser, address) as page,
    ):
        await page.select_option("#target", "pt")
        await speak(page, seconds=8)
        await expect(page.locator("#downloads")).to_be_visible(timeout=90_000)
        await expect(page.locator("#sentences .said").first).to_contain_text("welcome to the weekly review")
        await expect(page.locator("#sentences .translated").first).to_contain_text("semanal")
        assert "London" in await page.locator("#sentences mark").all_inner_texts()
        await expect(page.get_by_role("heading", name="Summary")).to_be_visible()
        await expect(page.get_by_role("img", name="Sentiment over time")).to_be_visible()
        await page.locator(".word", has_text="weekly").first.click()
        heard = await page.locator("#audio").evaluate("audio => audio.currentTime")
        assert 0.5 < heard < 4
