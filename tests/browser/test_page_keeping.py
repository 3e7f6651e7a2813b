"""What the web page keeps in a browser: for whom, until when, and what it does where nothing can be kept."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.conftest import wait_until
from tests.fakes.browser import give_key, visit
from tests.fakes.meeting import Conductor
from tests.fakes.tenants import BATCH, WEB

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDINGS = """
    new Promise((resolve, reject) => {
        const opening = indexedDB.open('voxmesh', 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore('recordings');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
            const found = opening.result.transaction('recordings').objectStore('recordings').getAll();
            found.onsuccess = () => { opening.result.close(); resolve(found.result); };
        };
    })
"""
SIZES = f"{RECORDINGS}.then(all => all.map(each => each instanceof Blob ? each.size : -each.locked.byteLength))"
"""Of the recordings that are kept: those that are locked are below zero."""
FULL = """
    const refuse = () => { throw new DOMException('full', 'QuotaExceededError'); };
    Storage.prototype.setItem = IDBObjectStore.prototype.put = refuse;
"""
REFUSED = {"title": "Unauthorized", "status": 401, "code": "key_unknown", "detail": "It is not known."}


async def hand_in(page: Page, recording: Path, conductor: Conductor) -> None:
    """Returns when a recording is done, and kept."""
    conductor.go_on()
    await page.set_input_files("#files", recording)
    await expect(page.locator("#downloads")).to_be_visible()
    await until_kept(page, 1)


async def until_kept(page: Page, number: int) -> None:
    """Returns when so many recordings are kept."""

    async def is_so() -> bool:
        return len(await page.evaluate(SIZES)) == number

    await wait_until(is_so, description=f"{number} recordings are kept")


async def come_back(page: Page, address: str) -> None:
    """As in a new tab: without the key, and with no task in the address."""
    await page.evaluate("sessionStorage.clear()")
    await page.goto("about:blank")
    await page.goto(address)


async def test_what_is_kept_under_a_key_is_locked_with_it(
    browser: Browser, guarded: str, conductor: Conductor, recording: Path
) -> None:
    """Neither names nor sounds can be read in the browser's storage; whoever comes with another key sees nothing of
    it, and whoever comes with the same has it again, to hear as well."""
    async with visit(browser, guarded) as page:
        await give_key(page, WEB)
        await hand_in(page, recording, conductor)
        assert recording.stem not in await page.evaluate("JSON.stringify(localStorage)")
        assert await page.evaluate(SIZES) == [-(recording.stat().st_size + 12 + 16)]  # a nonce, and a tag
        await come_back(page, guarded)
        await give_key(page, BATCH)
        await expect(page.locator("#target option[value=pt]")).to_be_attached()
        await expect(page.locator("#shelf")).to_be_hidden()
        await come_back(page, guarded)
        await give_key(page, WEB)
        await expect(page.locator("#tasks .name")).to_have_text([recording.name])
        await expect(page.locator("#audio")).to_be_visible()
        await expect(page.locator("#tasks .state")).to_have_text("Done")


async def test_a_key_that_is_refused_takes_with_it_what_it_locked(
    browser: Browser, guarded: str, conductor: Conductor, recording: Path
) -> None:
    """When the gateway knows a key no longer, what was kept under it is gone from the page and from the browser."""
    async with visit(browser, guarded) as page:
        await give_key(page, WEB)
        await hand_in(page, recording, conductor)
        await page.route("**/audio/tasks/*", lambda route: route.fulfill(status=401, json=REFUSED), times=1)
        await page.reload()
        await expect(page.locator("#key-reason")).to_contain_text("does not know this key")
        await expect(page.locator("#tasks li")).to_have_count(0)
        await until_kept(page, 0)
        assert await page.evaluate("Object.keys(localStorage).filter(name => name.includes('tasks'))") == []
        assert await page.evaluate("sessionStorage.length") == 0


async def test_everything_can_be_forgotten(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """A button, after a question, leaves the browser as it was before the first visit, in all tabs."""
    await hand_in(web_page, recording, conductor)
    other = await web_page.context.new_page()
    await other.goto(web_page.url)
    await expect(other.locator("#tasks li")).to_have_count(1)
    await web_page.get_by_role("button", name="Theme").click()
    await web_page.get_by_role("button", name="Forget everything").click()
    await web_page.get_by_role("button", name="Keep it").click()
    await expect(web_page.locator("#tasks li")).to_have_count(1)
    await web_page.get_by_role("button", name="Forget everything").click()
    question = web_page.get_by_role("dialog", name="Forget everything?")
    await question.get_by_role("button", name="Forget everything").click()
    for page in (web_page, other):
        await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
        await expect(page.get_by_role("button", name="Theme")).to_have_text("Theme: system")
    await until_kept(web_page, 0)
    assert await web_page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert "#" not in web_page.url


async def test_where_nothing_can_be_kept_the_page_works_and_says_so_once(
    web_page: Page, conductor: Conductor, recording: Path
) -> None:
    """In a browser without room recordings are taken and shown as ever, beside one notice."""
    await web_page.add_init_script(FULL)
    await web_page.reload()
    conductor.go_on(8)
    await web_page.set_input_files("#files", [recording, recording])
    await expect(web_page.locator("#tasks .state")).to_have_text(["Done", "Done"])
    await expect(web_page.locator("#downloads")).to_be_visible()
    await expect(web_page.get_by_text("This browser has no room, or may keep nothing")).to_have_count(1)
    await expect(web_page.locator("#not-kept")).to_be_visible()
    await expect(web_page.locator("#audio")).to_be_visible()


async def test_a_download_that_fails_says_so_and_can_be_had_later(
    browser: Browser, guarded: str, conductor: Conductor, recording: Path
) -> None:
    """With a key the page itself fetches the file: where the gateway cannot give it, that is said beside the links."""
    async with visit(browser, guarded) as page:
        await give_key(page, WEB)
        await hand_in(page, recording, conductor)
        await page.route("**/result?format=txt", lambda route: route.abort(), times=1)
        link = page.get_by_role("link", name="Download transcript: Text")
        await link.click()
        await expect(page.locator("#trouble")).to_contain_text("sample.txt: Not downloaded.")
        async with page.expect_download():
            await link.click()
        await expect(page.locator("#trouble")).to_be_empty()


async def nobody_is_there(route: Route) -> None:
    """What the gateway answers before its first worker is up."""
    answer = await route.fetch()
    await route.fulfill(json=await answer.json() | {"ready": False, "languages": [], "pairs": []})


async def no_answer(route: Route) -> None:
    """The gateway is away."""
    await route.abort()


@pytest.mark.parametrize("answer", [no_answer, nobody_is_there], ids=lambda answer: answer.__name__)
async def test_the_choices_come_by_themselves(web_page: Page, answer: Callable[[Route], Awaitable[None]]) -> None:
    """When what the gateway can do was not known as the page was opened, it is asked for again."""
    await web_page.route("**/audio/capabilities", answer, times=1)
    await web_page.reload()
    await expect(web_page.locator("#form-note")).to_be_visible()
    await expect(web_page.locator("#target option[value=pt]")).to_be_attached()
    await expect(web_page.locator("#language option[value=en]")).to_be_attached()
    await expect(web_page.locator("#form-note")).to_be_hidden()


async def test_a_refusal_that_comes_late_asks_for_no_second_key(browser: Browser, guarded: str) -> None:
    """What was sent without a key, and is refused when there is one by now, is sent again with it: nobody is asked."""
    is_given = asyncio.Event()

    async def held(route: Route) -> None:
        answer = await route.fetch()
        await is_given.wait()
        await route.fulfill(response=answer)

    async with visit(browser) as page:
        await page.route("**/audio/capabilities", held, times=1)
        await page.goto(f"{guarded}/#{'0' * 32}")
        await give_key(page, WEB)
        await expect(page.locator("#target option[value=pt]")).to_be_attached()
        async with page.expect_response(lambda got: got.url.endswith("/audio/capabilities") and got.ok):
            is_given.set()  # upon which the late one is refused, and sent once more
        await expect(page.get_by_role("dialog", name="API key")).to_be_hidden()
