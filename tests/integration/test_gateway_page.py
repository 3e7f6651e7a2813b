"""The web page as it is served: to whom, as what, and with which rules for the browser."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from services.gateway import page
from services.gateway.settings import Settings
from shared.settings import BaseSettings, load
from tests.fakes.gateway import served

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FILES = sorted(path.name for path in (Path(page.__file__).parent / "public").iterdir())
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@pytest.fixture
def gateway(settings: BaseSettings, tmp_path: Path) -> Settings:
    return Settings(redis_url=settings.redis_url, blob_url=settings.blob_url, spool_dir=tmp_path / "spool")


@pytest.fixture
async def client(gateway: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(gateway) as client:
        yield client


async def test_only_a_browser_gets_the_page(client: httpx.AsyncClient) -> None:
    """Whoever asks for HTML gets it; to a program nothing is at `/`. Caches are told of the difference."""
    seen = await client.get("/", headers=BROWSER)
    assert (seen.status_code, seen.headers["content-type"]) == (200, "text/html; charset=utf-8")
    known = await client.get("/", headers=BROWSER | {"If-None-Match": seen.headers["etag"]})
    assert (known.status_code, known.headers["vary"], seen.headers["vary"]) == (304, "Accept", "Accept")
    for accept in ("*/*", "application/json", ""):
        missing = await client.get("/", headers={"Accept": accept})
        assert (missing.status_code, missing.json()["code"]) == (404, "no_such_path")
        assert missing.headers["vary"] == "Accept"


async def test_a_browser_is_told_to_let_nothing_else_in(client: httpx.AsyncClient) -> None:
    """Each file has its type, which counts, and a policy under which the page takes nothing from elsewhere, runs no
    script of its own text and lies in no frame."""
    for name in FILES:
        path = "/" if name == "index.html" else f"/page/{name}"
        answer = await client.get(path, headers=BROWSER)
        assert answer.status_code == 200, name
        assert answer.headers["content-type"].partition(";")[0] == TYPES[Path(name).suffix], name
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in answer.headers["content-security-policy"]


async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient) -> None:
    """A browser asks each time, and with the ETag of what it has it is answered 304, without a body."""
    for path in ("/", "/page/main.js"):
        first = await client.get(path, headers=BROWSER)
        assert first.headers["cache-control"] == "no-cache"
        again = await client.get(path, headers=BROWSER | {"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert (await client.get(path, headers=BROWSER | {"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fserving.py", "index.html", "%2Fetc%2Fpasswd", "__init__.py"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, name: str) -> None:
    """What is not in the folder of the page is not found, whatever the path looks like."""
    missing = await client.get(f"/page/{name}", headers=BROWSER)
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_path")


async def test_an_operator_can_do_without_it(gateway: Settings) -> None:
    """With PAGE=false there is nothing at its paths."""
    assert load(Settings, {"PAGE": "false"}).page is False
    async with served(msgspec.structs.replace(gateway, page=False)) as client:
        for path in ("/", "/page/main.js"):
            assert (await client.get(path, headers=BROWSER)).status_code == 404


async def test_the_page_names_what_there_is_and_nothing_elsewhere(client: httpx.AsyncClient) -> None:
    """Each file that the page or a module asks for is served, each module is announced, and no address leads away."""
    texts = {name: (Path(page.__file__).parent / "public" / name).read_text(encoding="utf-8") for name in FILES}
    asked = set(re.findall(r"/page/([\w.]+)", texts["index.html"]))
    assert asked == set(FILES) - {"index.html"}
    for name, text in texts.items():
        assert set(re.findall(r"from '\./([\w.]+)'", text)) <= set(FILES), name
        addresses = re.findall(r"https?://[^'\"\s]+", text)
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, name  # the name of a format, not an address
    assert (await client.get("/page/icon.svg")).status_code == 200
