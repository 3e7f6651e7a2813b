"""A page in a real Chromium: an empty one of the gateway's origin, and the gateway's own with a meeting behind it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from playwright.async_api import Page as AsyncPage
from playwright.sync_api import Page, sync_playwright

from services.gateway.settings import Settings
from shared.settings import BaseSettings
from tests.conftest import RedisServer, free_port
from tests.fakes.browser import binary, chromium, visit
from tests.fakes.gateway import client_of, serving, until_ready
from tests.fakes.meeting import Conductor, meeting
from tests.fakes.tenants import ENTRIES

ARGUMENTS = [
    "--no-sandbox",
    "--disable-features=LocalNetworkAccessChecks",  # a page of another origin on this machine needs nobody's permission
]

PAGE = """
<!doctype html>
<title>A page of somebody who read the guide</title>
<input type="file" id="file">
<input type="file" id="files" multiple>
<p id="transcript"></p>
"""

MOST_SECONDS = 180
"""Only against a test that hangs: each wait in it has a limit of its own, and where much else runs on the machine, a
browser, two gateways and the workers take their time before the first test."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(MOST_SECONDS))  # a limit that a test has set itself comes first


@pytest.fixture
def page(mesh_url: str) -> Iterator[Page]:
    """An empty page at the gateway's origin, with a field for a file. It keeps every EventSource in `streams`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary(), args=ARGUMENTS)
        page = browser.new_page()
        page.route("**/guide", lambda route: route.fulfill(body=PAGE, content_type="text/html; charset=utf-8"))
        page.goto(f"{mesh_url}/guide")
        yield page
        browser.close()


@pytest.fixture(scope="module")
def stage_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSettings]:
    """A Redis and a folder for all tests of a module."""
    folder = tmp_path_factory.mktemp("meeting")
    server = RedisServer(folder, port=free_port())
    server.start()
    yield BaseSettings(redis_url=server.url, blob_url=f"file://{folder}/blobs")
    server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conducted(stage_settings: BaseSettings) -> AsyncIterator[Conductor]:
    """Workers that play a meeting."""
    async with meeting(stage_settings) as conductor:
        yield conductor


@pytest_asyncio.fixture(loop_scope="module")
async def conductor(conducted: Conductor) -> AsyncIterator[Conductor]:
    """The same for one test: nothing is heard before it says so."""
    yield conducted
    await conducted.finish()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address(stage_settings: BaseSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A gateway, and at it the page."""
    gateway = Settings(
        redis_url=stage_settings.redis_url,
        blob_url=stage_settings.blob_url,
        spool_dir=tmp_path_factory.mktemp("spool"),
    )
    async with serving(gateway) as server, client_of(server) as client:
        await until_ready(client)
        yield str(client.base_url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(stage_settings: BaseSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A gateway that asks for keys. Its links last for a second."""
    gateway = Settings(
        redis_url=stage_settings.redis_url,
        blob_url=stage_settings.blob_url,
        spool_dir=tmp_path_factory.mktemp("guarded"),
        api_keys=ENTRIES,
        link_seconds=1,
        requests_per_minute=0,
    )
    async with serving(gateway) as server, client_of(server) as client:
        await until_ready(client)
        yield str(client.base_url)


@pytest_asyncio.fixture(loop_scope="module")
async def web_page(browser: Browser, address: str) -> AsyncIterator[AsyncPage]:
    """The gateway's page, opened for the first time."""
    async with visit(browser, address) as page:
        yield page
