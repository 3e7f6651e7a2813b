"""A page in a real Chromium."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

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


@pytest.fixture
def page(mesh_url: str) -> Iterator[Page]:
    """An empty page at the gateway's origin, with a field for a file. It keeps every EventSource in `streams`."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page()
        page.route("**/guide", lambda route: route.fulfill(body=PAGE, content_type="text/html; charset=utf-8"))
        page.goto(f"{mesh_url}/guide")
        yield page
        browser.close()
