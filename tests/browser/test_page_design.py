"""What the web page looks like, to eyes and to those who hear it, and what it costs to load.

Pictures of it, at three widths, light and dark, are left in `tests/browser/pictures/`.
"""

import re
from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Response, expect

from tests.fakes import meeting
from tests.fakes.browser import visit
from tests.fakes.meeting import Conductor

pytestmark = pytest.mark.asyncio(loop_scope="module")

PICTURES = Path(__file__).parent / "pictures"
WIDTHS = (360, 768, 1280)
MOST_BYTES = 150_000
SCHEMES = ("light", "dark")


async def check(page: Page) -> None:
    """Fails with what axe-core finds that is serious or critical."""
    axe = cast("Any", Axe())  # its types are not complete
    found = (await axe.run(page)).response
    assert len(found["passes"]) > 10
    grave = [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
    assert grave == []


async def picture(page: Page, name: str) -> None:
    """Leave pictures of the page as it stands, in both schemes; at no width does it scroll sideways, and nowhere does
    axe-core find anything grave."""
    PICTURES.mkdir(exist_ok=True)
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            await page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True, animations="disabled")
        await check(page)
    await page.set_viewport_size({"width": min(WIDTHS), "height": 900})
    await check(page)


async def test_the_empty_page(web_page: Page) -> None:
    """It says what it is for."""
    await expect(web_page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    await picture(web_page, "empty")


async def test_the_page_at_work(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """Half of the text is there, and a second recording waits."""
    await web_page.set_input_files("#files", recording)
    conductor.go_on(2)
    await expect(web_page.locator("#sentences li")).to_have_count(2)
    await web_page.set_input_files("#files", recording)
    await expect(web_page.locator("#tasks .state").first).to_contain_text("started")
    await web_page.locator(".pick", has_text="Transcribing").click()
    await expect(web_page.locator("#sentences li")).to_have_count(2)
    await picture(web_page, "at-work")


async def test_the_page_with_a_result(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """All that can be found is there."""
    conductor.go_on()
    await web_page.select_option("#target", "pt")
    await web_page.set_input_files("#files", recording)
    await expect(web_page.locator("#downloads")).to_be_visible()
    await expect(web_page.get_by_role("heading", name="Sentiment")).to_be_visible()
    await picture(web_page, "done")


async def test_the_page_with_troubles(web_page: Page, conductor: Conductor, recording: Path, tmp_path: Path) -> None:
    """A file that is refused, and a task that was cancelled."""
    await web_page.set_input_files("#files", recording)
    conductor.go_on(1)
    await expect(web_page.locator("#sentences li")).to_have_count(1)
    await web_page.get_by_role("button", name="Cancel").click()
    await expect(web_page.locator("#task-error")).to_contain_text("Cancelled.")
    (tmp_path / "notes.txt").write_text("no sound\n" * 100)
    await web_page.set_input_files("#files", tmp_path / "notes.txt")
    await expect(web_page.locator("#refusals")).to_contain_text("notes.txt")
    await picture(web_page, "troubles")


async def test_the_page_without_a_connection(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """It says that work goes on, and comes back by itself."""
    await web_page.route("**/audio/events*", lambda route: route.abort())
    await web_page.set_input_files("#files", recording)
    await expect(web_page.locator("#connection")).to_contain_text("The connection is lost")
    await picture(web_page, "reconnecting")
    await web_page.unroute("**/audio/events*")
    conductor.go_on()
    await expect(web_page.locator("#downloads")).to_be_visible()
    await expect(web_page.locator("#connection")).to_be_empty()


async def test_the_page_with_a_task_that_failed(web_page: Page, address: str) -> None:
    """It says why, and what can be done."""
    message = "The end of the file is missing, and nothing in it can be decoded. Send the original again."
    state = {"task_id": "0" * 32, "state": "failed", "step": "failed", "progress": 12, "route": ["asr"]}
    state |= {"name": "talk.ogg", "created": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:09Z"}
    state |= {"error": {"code": "damaged", "message": message, "stage": "asr", "retryable": False}, "links": {}}
    await web_page.route("**/audio/tasks/*", lambda route: route.fulfill(json=state))
    await web_page.goto(f"{address}/#{'0' * 32}")
    await expect(web_page.locator("#task-error")).to_contain_text(message)
    await expect(web_page.locator("#tasks .state")).to_have_text("Failed")
    await picture(web_page, "failed")


async def test_both_ways_to_begin_stand_beside_each_other(web_page: Page) -> None:
    """Also on the narrowest screen, and while the button tells how long somebody has spoken."""
    await web_page.set_viewport_size({"width": min(WIDTHS), "height": 900})
    choose, record = web_page.locator(".drop .button"), web_page.locator("#record")
    for text in ("Record", "Stop 12:34"):
        await record.evaluate("(button, text) => { button.textContent = text; }", text)
        beside, other = await choose.bounding_box(), await record.bounding_box()
        assert beside is not None
        assert other is not None
        assert beside["y"] == other["y"]


async def test_text_from_right_to_left(
    web_page: Page, conductor: Conductor, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence runs as its language does, among others that run the other way; so do the arrow keys in it."""
    *before, (speaker, _), last = meeting.SENTENCES
    monkeypatch.setattr(meeting, "SENTENCES", (*before, (speaker, "מי יכול להתקשר אליהם?"), last))
    conductor.go_on()
    await web_page.set_input_files("#files", recording)
    await expect(web_page.get_by_role("heading", name="Questions")).to_be_visible()
    runs = "all => all.map(each => getComputedStyle(each).direction)"
    assert await web_page.locator("#sentences .said").evaluate_all(runs) == ["ltr", "ltr", "rtl", "ltr"]
    await web_page.locator("#sentences .time").nth(2).focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):
        await web_page.keyboard.press(key)
    assert await web_page.evaluate("document.activeElement.textContent") == "מי"
    await picture(web_page, "right-to-left")


async def test_names_that_are_very_long(web_page: Page, conductor: Conductor, recording: Path, tmp_path: Path) -> None:
    """They leave the page its shape: the title has at most three lines, a refusal says how the name begins and ends."""
    name = "minutes_of_the_weekly_review_" * 8
    (tmp_path / f"{name}.txt").write_text("no sound\n" * 100)
    (tmp_path / f"{name}.wav").write_bytes(recording.read_bytes())
    conductor.go_on()
    await web_page.set_input_files("#files", [tmp_path / f"{name}.wav", tmp_path / f"{name}.txt"])
    await expect(web_page.locator("#refusals strong")).to_have_text(
        re.compile(r"^minutes_.{30,40}….{5,15}\.txt: Uns.*$")
    )
    await expect(web_page.locator("#downloads")).to_be_visible()
    assert await web_page.locator("#task-title").evaluate("title => title.offsetHeight") < 100
    await picture(web_page, "long-names")


async def test_everything_is_reached_by_tab_in_the_order_of_reading(
    web_page: Page, conductor: Conductor, recording: Path
) -> None:
    """From the link that skips the form to the result, each control once, a transcript being one; and what has the
    focus shows it."""
    conductor.go_on()
    await web_page.set_input_files("#files", recording)
    await expect(web_page.get_by_role("heading", name="Sentiment")).to_be_visible()
    await web_page.evaluate("document.activeElement.blur()")
    reached: list[str] = []
    while reached.count("skip") < 2:
        await web_page.keyboard.press("Tab")
        reached.append(await web_page.evaluate("document.activeElement.id || document.activeElement.className"))
        if reached[-1] not in {"files", "audio", ""}:  # a label and the player's own buttons show where it is
            assert await web_page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    reached.pop()
    order = ["skip", "theme", "language", "target", "insights", "diarize", "channels", "files", "record", "pick"]
    assert [name for name in reached if name in order] == order
    assert reached.count("time") == 1 + 1 + 1  # the transcript, a question, something to do


async def test_the_skip_link_leads_to_the_result(web_page: Page) -> None:
    """And leaves the address as it is."""
    await web_page.keyboard.press("Tab")
    await web_page.keyboard.press("Enter")
    assert await web_page.evaluate("document.activeElement.id") == "task"
    assert "#" not in web_page.url


async def test_the_theme_is_chosen_and_kept(web_page: Page) -> None:
    """Light on a dark system and the other way round, also after a reload."""
    paper = "getComputedStyle(document.body).backgroundColor"
    light = await web_page.evaluate(paper)
    button = web_page.get_by_role("button", name="Theme")
    await button.click()
    await button.click()
    await expect(button).to_have_text("Theme: dark")
    dark = await web_page.evaluate(paper)
    assert dark != light
    await web_page.reload()
    assert await web_page.evaluate(paper) == dark
    await web_page.emulate_media(color_scheme="dark")
    await button.click()
    assert await web_page.evaluate(paper) == dark  # the system's
    await button.click()
    assert await web_page.evaluate(paper) == light


async def test_the_first_load_is_light_and_from_here(browser: Browser, address: str) -> None:
    """A browser that has never been here loads at most 150 kB, all of it from the gateway."""
    answers: list[Response] = []

    def seen(answer: Response) -> None:
        answers.append(answer)

    async with visit(browser) as page:
        page.on("response", seen)
        await page.goto(address, wait_until="networkidle")
        assert all(answer.url.startswith(address) for answer in answers)
        measured = await page.evaluate(
            """[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
                .map(entry => entry.transferSize)"""
        )
    assert len(measured) >= 20
    assert all(size > 0 for size in measured)
    print(f"first load: {sum(measured)} bytes in {len(measured)} answers")
    assert sum(measured) <= MOST_BYTES
