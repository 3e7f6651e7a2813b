"""A real Chromium for asynchronous tests, in which a gateway and its workers live in the process of the test."""

import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

ARGUMENTS = ("--no-sandbox", "--autoplay-policy=no-user-gesture-required")


expect.set_options(timeout=60_000)  # where other tests run beside, five seconds may be short by far


def binary() -> str:
    """The browser of this machine. Skips the test where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    return found


def microphone(recording: Path) -> Sequence[str]:
    """Arguments that make a recording (WAV) what the microphone hears, with nobody asked whether it may be used."""
    return (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}%noloop",
    )


@asynccontextmanager
async def chromium(*more: str) -> AsyncGenerator[Browser]:
    """The browser, for the time of the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=binary(), args=[*ARGUMENTS, *more])
        yield browser
        await browser.close()


@asynccontextmanager
async def visit(browser: Browser, address: str = "", *, width: int = 1280, height: int = 900) -> AsyncGenerator[Page]:
    """A page of somebody who has never been here, at `address`. None of its scripts may fail."""
    errors: list[str] = []
    context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
    page = await context.new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    if address:
        await page.goto(address)
    yield page
    await context.close()
    assert errors == []


async def give_key(page: Page, key: str) -> None:
    """Answer the question for a key."""
    await page.get_by_label("Your key").fill(key)
    await page.get_by_role("button", name="Use this key").click()
