"""The web page where not all is well: keys, gateways that go away, tasks that are gone."""

import re
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from shared.settings import BaseSettings
from tests.conftest import free_port, wait_until
from tests.fakes.browser import give_key, visit
from tests.fakes.gateway import until_ready
from tests.fakes.meeting import Conductor
from tests.fakes.tenants import STRANGER, WEB
from tests.mesh import gateway_process

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_key_is_asked_for_where_one_is_needed(
    browser: Browser, guarded: str, conductor: Conductor, recording: Path
) -> None:
    """The page asks, says when a key is unknown, then works whole: upload, stream, downloads. A key is in no address,
    and is gone with its tab."""
    addresses: list[str] = []
    async with visit(browser, guarded) as page:
        page.on("request", lambda request: addresses.append(request.url))
        await expect(page.get_by_role("dialog", name="API key")).to_contain_text("asks for a key")
        await give_key(page, STRANGER)
        await expect(page.locator("#key-reason")).to_contain_text("does not know this key")
        await give_key(page, "pasted…")  # no request can carry it
        await expect(page.get_by_role("dialog", name="API key")).to_be_visible()
        await give_key(page, WEB)
        await page.select_option("#target", "pt")
        await page.set_input_files("#files", recording)
        conductor.go_on(4)
        await expect(page.locator("#downloads")).to_be_visible()
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download translation: SRT").click()
        found = await download.value
        assert found.suggested_filename == "sample.pt.srt"
        assert "Frase 1." in (await found.path()).read_text(encoding="utf-8")
        await page.reload()
        await expect(page.locator("#sentences li")).to_have_count(4)
        other = await page.context.new_page()
        await other.goto(guarded)
        await expect(other.get_by_role("dialog", name="API key")).to_be_visible()
    assert not any(WEB in address for address in addresses)


async def test_whoever_has_no_key_at_hand_loses_nothing(
    browser: Browser, guarded: str, conductor: Conductor, recording: Path
) -> None:
    """The question can be put off: the page says what that means, and asks when a key is needed, or at a button."""
    async with visit(browser, guarded) as page:
        await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        await expect(page.locator("#form-note")).to_contain_text("asks for an API key")
        await page.set_input_files("#files", recording)
        await give_key(page, WEB)
        conductor.go_on()
        await expect(page.locator("#tasks .state")).to_have_text("Done")
        await page.evaluate("sessionStorage.clear()")
        await page.reload()
        await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        await expect(page.locator("#tasks .state")).to_have_text("A key is needed")
        await expect(page.locator("#tasks .name")).to_have_text("Recording")  # what it is called is locked
        await page.get_by_role("button", name="Enter a key").click()
        await give_key(page, WEB)
        await expect(page.locator("#tasks .name")).to_have_text(recording.name)
        await expect(page.locator("#tasks .state")).to_have_text("Done")
        await expect(page.get_by_role("button", name="Enter a key")).to_be_hidden()


async def test_a_stream_outlives_its_link(
    browser: Browser, guarded: str, conductor: Conductor, recording: Path
) -> None:
    """When a stream has to be opened anew and the time of its link is over, the page gets a new one by its key."""
    async with visit(browser, guarded) as page, httpx.AsyncClient(trust_env=False) as client:
        await give_key(page, WEB)
        async with page.expect_request(re.compile("/audio/events")) as opened:
            await page.set_input_files("#files", recording)
        link = (await opened.value).url
        conductor.go_on(1)
        await expect(page.locator("#sentences li")).to_have_count(1)

        async def is_over() -> bool:
            async with client.stream("GET", link) as answer:
                return answer.status_code == 401

        await wait_until(is_over, description="the link is good no longer")
        async with page.expect_response(lambda answer: "/audio/events" in answer.url and answer.status == 401):
            await page.set_input_files("#files", recording)  # the stream is opened anew, for both
        conductor.go_on(7)
        await expect(page.locator("#tasks .state")).to_have_text(["Done", "Done"])


async def test_a_gateway_that_comes_back_finds_the_page_waiting(
    browser: Browser, conductor: Conductor, stage_settings: BaseSettings, recording: Path
) -> None:
    """While the gateway is away the page says so; when it is there again the page goes on by itself, without a sentence
    too few or too many."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    sentences = "[...document.querySelectorAll('.time[aria-label]')].map(time => time.textContent)"
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=address, trust_env=False))
        first = stack.enter_context(gateway_process(stage_settings, port=port))
        await until_ready(client)
        page = await stack.enter_async_context(visit(browser, address))
        await page.set_input_files("#files", recording)
        conductor.go_on(1)
        await expect(page.locator("#sentences li")).to_have_count(1)
        first.kill()
        first.wait()
        await expect(page.get_by_text("The connection is lost")).to_be_visible()
        conductor.go_on(2)
        stack.enter_context(gateway_process(stage_settings, port=port))
        await expect(page.locator("#sentences li")).to_have_count(3)
        await expect(page.get_by_text("The connection is lost")).to_be_hidden()
        conductor.go_on(1)
        await expect(page.locator("#downloads")).to_be_visible()
        assert await page.evaluate(f"{sentences}.slice(0, 4)") == ["0:00", "0:02", "0:04", "0:06"]


async def test_a_task_that_is_gone_says_so(web_page: Page, address: str) -> None:
    """A link to a task that is no longer kept, or never was."""
    await web_page.goto(f"{address}/#{'0' * 32}")  # upon which the page loads itself anew
    await expect(web_page.locator("#task-error")).to_contain_text("There is no task by this id.")
    await expect(web_page.locator("#progress")).to_be_hidden()


async def test_an_address_that_cannot_be_read_hides_no_recording(web_page: Page, address: str) -> None:
    """What somebody has made of the address names no task; those of this browser are there."""
    entry = {"id": "0" * 32, "name": "talk.ogg", "created": "2026-01-01T00:00:00Z"}
    await web_page.evaluate("kept => localStorage.setItem('voxmesh.tasks', JSON.stringify([kept]))", entry)
    await web_page.goto(f"{address}/#%")
    await expect(web_page.locator("#tasks .name")).to_have_text(["talk.ogg"])


async def test_a_page_in_between_is_no_answer(web_page: Page, recording: Path) -> None:
    """Where a proxy lets nobody through and says so with 200, the recording is refused and not sent for ever."""
    await web_page.route("**/audio/tasks", lambda route: route.fulfill(body="<p>Log in"))
    await web_page.set_input_files("#files", recording)
    await expect(web_page.locator("#refusals")).to_contain_text("between this page and the gateway answered with 200")
    await expect(web_page.locator("#tasks li")).to_have_count(0)


async def test_a_result_that_is_late_is_waited_for(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """The page does not say that nobody speaks before it has the text, and asks again where the gateway could not."""
    await web_page.set_input_files("#files", recording)
    conductor.go_on(4)
    await expect(web_page.locator("#downloads")).to_be_visible()
    await web_page.route("**/result", lambda route: route.fulfill(status=503, body="away"), times=1)
    await web_page.reload()
    await expect(web_page.locator("#transcript-empty")).to_have_text("The text is being fetched.")
    await expect(web_page.locator("#sentences li")).to_have_count(4)
