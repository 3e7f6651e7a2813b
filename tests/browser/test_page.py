"""The web page, with a gateway and workers that play a meeting: what people see, and when."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from tests.fakes.meeting import Conductor

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNTED = """
    const sources = [];
    globalThis.most = 0;
    globalThis.EventSource = class extends EventSource {
        constructor(...given) {
            super(...given);
            sources.push(this);
            most = Math.max(most, sources.filter(source => source.readyState !== EventSource.CLOSED).length);
        }
    };
"""
"""How many streams the page has open at a time. What is told of its requests comes late, and not in order."""


async def hand_in(page: Page, *recordings: Path, translated: bool = True) -> None:
    """Choose files, and what is to be done with them."""
    if translated:
        await page.select_option("#target", "pt")
    await page.set_input_files("#files", recordings)


async def heard(page: Page, sentences: int) -> None:
    """Returns when so many sentences stand on the page, and no more."""
    await expect(page.locator("#sentences li")).to_have_count(sentences)


async def test_a_recording_is_shown_while_at_work(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """The first sentence stands there before the second is heard; at the end, so does all that was found."""
    await hand_in(web_page, recording)
    conductor.go_on(1)
    await heard(web_page, 1)
    assert 0 < await web_page.locator("#bar").evaluate("bar => bar.value") < 30
    await expect(web_page.locator("#said")).to_contain_text("Good morning")
    conductor.go_on(3)
    await expect(web_page.locator("#downloads")).to_be_visible()
    await heard(web_page, 4)
    await expect(web_page.locator(".translated")).to_have_text([f"Frase {number}." for number in (1, 2, 3, 4)])
    for title, text in {
        "Summary": "The shipment to Tokyo is late.",
        "Topics": "85 %",
        "To do": "Speaker 2 · Thu, Dec 3",
        "Questions": "Who can call",
        "Key phrases": "210 words per minute",
        "Names, places, dates": "Laura Johnson",
    }.items():
        await expect(web_page.locator(".card", has=web_page.get_by_role("heading", name=title))).to_contain_text(text)


async def test_entities_are_marked_where_they_are(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """Behind an emoji, too, which a browser counts as two: what is marked is the name, to the letter."""
    conductor.go_on()
    await hand_in(web_page, recording)
    marks = web_page.locator("#sentences mark")
    await expect(marks).to_have_text(["Emma Miller", "Siemens", "Tokyo", "Laura Johnson"])
    await expect(marks.first).to_have_attribute("data-label", "person")


async def test_text_is_never_markup(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """Tags in a transcript, a question and a warning are shown as they were said."""
    conductor.go_on()
    await hand_in(web_page, recording)
    await expect(web_page.locator("#warnings")).to_contain_text("The topics <i>may</i> be off.")
    await expect(web_page.locator("#sentences")).to_contain_text("Who can call <b>them</b> & ask?")
    assert await web_page.locator("#shown b, #shown i").count() == 0


async def test_speakers_and_sentiment_are_drawn_and_told(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """Each drawing has as many bars as there are sentences, and says in words what it shows."""
    conductor.go_on()
    await hand_in(web_page, recording)
    voices = web_page.get_by_role("img", name="Who speaks when: Speaker 1 4 s (50 %), Speaker 2 4 s (50 %)")
    await expect(voices.locator("rect")).to_have_count(4)
    moods = web_page.get_by_role(
        "img", name="Positive as a whole (+0.05). Most positive at 0:00. Most negative at 0:02."
    )
    await expect(moods.locator("rect")).to_have_count(4)


async def test_a_word_is_heard_by_click_and_by_key(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """A click on a word, and Enter on one that the arrows have reached, plays the recording from there."""
    conductor.go_on()
    await hand_in(web_page, recording)
    await web_page.locator(".word", has_text="Tokyo").click()
    playing = "audio => !audio.paused && audio.currentTime"
    assert 2.6 < await web_page.locator("#audio").evaluate(playing) < 4.5
    await expect(web_page.locator(".word.heard")).to_have_count(1)
    await web_page.locator("#sentences .time").first.focus()
    for key in ("End", "ArrowRight", "ArrowRight", "Enter"):
        await web_page.keyboard.press(key)
    assert await web_page.evaluate("document.activeElement.textContent") == "will"
    assert 6.2 < await web_page.locator("#audio").evaluate(playing) < 7.5


async def test_the_player_has_no_other_recording(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """While a second recording is being sent, that of the first is not offered in its place."""
    conductor.go_on()
    await hand_in(web_page, recording)
    await expect(web_page.locator("#audio")).to_be_visible()
    is_sent = asyncio.Event()

    async def held(route: Route) -> None:
        await is_sent.wait()
        await route.continue_()

    await web_page.route("**/audio/tasks", held, times=1)
    await hand_in(web_page, recording)
    await expect(web_page.locator("#step")).to_contain_text("Waiting to be sent")
    await expect(web_page.locator("#audio")).to_be_hidden()
    is_sent.set()
    await expect(web_page.locator("#audio")).to_be_visible()


async def test_a_cancel_that_fails_is_said(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """Where the gateway cannot be reached at that moment, the page says so, and it can be tried again."""
    await hand_in(web_page, recording)
    conductor.go_on(1)
    await heard(web_page, 1)
    await web_page.route("**/audio/tasks/*", lambda route: route.abort(), times=1)
    await web_page.get_by_role("button", name="Cancel").click()
    await expect(web_page.locator("#trouble")).to_contain_text("Not cancelled. The gateway cannot be reached")
    await web_page.get_by_role("button", name="Cancel").click()
    await expect(web_page.locator("#task-error")).to_contain_text("Cancelled.")
    await expect(web_page.locator("#trouble")).to_be_empty()


async def test_a_reload_in_the_middle_loses_nothing(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """What was there comes back from the log, the rest follows, and the recording can still be heard."""
    await hand_in(web_page, recording)
    conductor.go_on(2)
    await heard(web_page, 2)
    await web_page.reload()
    await heard(web_page, 2)
    await expect(web_page.locator("#cancel")).to_be_visible()
    conductor.go_on(2)
    await heard(web_page, 4)
    await expect(web_page.locator("#downloads")).to_be_visible()
    await web_page.reload()
    await heard(web_page, 4)
    await expect(web_page.get_by_role("heading", name="To do")).to_be_visible()
    await web_page.locator(".word", has_text="late").click()
    await expect(web_page.locator(".word.heard")).to_have_count(1)


async def test_a_task_can_be_cancelled(web_page: Page, conductor: Conductor, recording: Path) -> None:
    """The button ends it: the page says so, keeps what was heard, and the list offers to forget it."""
    await hand_in(web_page, recording)
    conductor.go_on(1)
    await heard(web_page, 1)
    await web_page.get_by_role("button", name="Cancel").click()
    await expect(web_page.locator("#task-error")).to_contain_text("Cancelled.")
    await expect(web_page.locator("#progress")).to_be_hidden()
    await heard(web_page, 1)
    await web_page.get_by_role("button", name=f"Remove {recording.name} from the list").click()
    await expect(web_page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    await web_page.reload()
    await expect(web_page.locator("#shelf")).to_be_hidden()


async def test_all_tasks_can_be_cancelled_at_once(
    web_page: Page, address: str, conductor: Conductor, recording: Path
) -> None:
    """One button, while there are several to cancel: what is at work and what is being sent all end, here and at the
    gateway."""
    is_over = asyncio.Event()

    async def held(route: Route) -> None:
        await is_over.wait()
        await route.abort()

    button = web_page.get_by_role("button", name="Cancel all")
    await hand_in(web_page, recording)
    conductor.go_on(1)
    await heard(web_page, 1)
    await expect(button).to_be_hidden()
    await web_page.route("**/audio/tasks", held)
    await hand_in(web_page, *[recording] * 3)
    await expect(button).to_have_text("Cancel all 4")
    await button.focus()
    await web_page.keyboard.press("Enter")
    await expect(web_page.locator("#tasks .state")).to_have_text(["Cancelled"])
    await expect(button).to_be_hidden()
    assert await web_page.evaluate("document.activeElement.id") == "task"
    is_over.set()
    (listed,) = (await (await web_page.request.get(f"{address}/audio/tasks?limit=1")).json())["tasks"]
    assert listed["state"] == "cancelled"


async def test_tasks_that_cannot_be_cancelled_are_counted(
    web_page: Page, conductor: Conductor, recording: Path
) -> None:
    """Of two, one is, and for the other the page says why not; the button is gone, for one is left."""
    await hand_in(web_page, recording, recording)
    conductor.go_on(1)
    await expect(web_page.locator("#tasks .state").get_by_text("%")).to_have_count(2)
    await expect(web_page.locator("#tasks .is-uploading")).to_have_count(0)
    await web_page.route("**/audio/tasks/*", lambda route: route.abort(), times=1)
    await web_page.get_by_role("button", name="Cancel all").click()
    await expect(web_page.locator("#trouble")).to_contain_text("Not cancelled: 1. The gateway cannot be reached")
    await expect(web_page.locator("#tasks .state").get_by_text("Cancelled")).to_have_count(1)
    await expect(web_page.locator("#cancel-all")).to_be_hidden()


async def test_a_text_file_is_refused_in_words(web_page: Page, tmp_path: Path) -> None:
    """What is no recording: the gateway's own title and detail, as an alert, and nothing in the list."""
    notes = tmp_path / "notes.txt"
    notes.write_text("Not a word of this is sound.\n" * 50)
    await hand_in(web_page, notes, translated=False)
    alert = web_page.get_by_role("alert").filter(has_text="notes.txt")
    await expect(alert).to_contain_text("Unsupported Media Type")
    await expect(alert).to_contain_text(re.compile(r"recording|audio", re.IGNORECASE))
    await expect(web_page.locator("#shelf")).to_be_hidden()


async def test_several_recordings_share_one_stream(
    web_page: Page, address: str, conductor: Conductor, recording: Path
) -> None:
    """Eight at a time end well, over never more than one open stream; who comes back later finds all of them."""
    await web_page.add_init_script(COUNTED)
    await web_page.reload()
    await hand_in(web_page, *[recording] * 8, translated=False)
    conductor.go_on(8 * 4)
    await expect(web_page.locator("#tasks .state")).to_have_text(["Done"] * 8)
    assert await web_page.evaluate("most") == 1
    await web_page.goto("about:blank")
    await web_page.goto(address)
    await expect(web_page.locator("#tasks .state")).to_have_text(["Done"] * 8)
