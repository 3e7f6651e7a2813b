"""Streams in a real browser, on pages of the gateway's own origin and of another."""

import re
from pathlib import Path

import httpx
from playwright.sync_api import Page

from shared.settings import BaseSettings
from tests.conftest import free_port
from tests.local_mesh import OTHER_ORIGIN, ROOT
from tests.mesh import gateway_process

FOLLOW = """
async ({url, path}) => {
    const form = new FormData();
    form.append('audio', document.getElementById('file').files[0]);
    const answer = await fetch(`${url}/audio/process-stream-realtime`, {method: 'POST', body: form});
    const task = answer.headers.get('X-Task-Id');
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    const lines = text.split('\\n').filter(line => line.startsWith('data: '));
    const fetched = lines.map(line => JSON.parse(line.slice(6)).step);
    const source = new EventSource(`${url}${path}${task}`, {withCredentials: true});
    const seen = [];
    source.onmessage = event => seen.push(JSON.parse(event.data).step);
    await new Promise(resolve => { source.onerror = () => source.readyState === EventSource.CLOSED && resolve(); });
    const headers = {'Last-Event-ID': '1-0', 'Idempotency-Key': 'x'};
    const missing = await fetch(`${url}/audio/tasks/nobody`, {headers});
    return {fetched, seen, code: (await missing.json()).code};
}
"""


def many_javascript() -> str:
    """The example of docs/streams.md, to the letter."""
    found = re.search(r"```javascript\n(.*?)```", (ROOT / "docs/streams.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_s12_seven_tasks_leave_connections_for_others(page: Page, recording: Path) -> None:
    """The page of docs/streams.md watches seven tasks over one stream; meanwhile it can ask for other things, of which
    seven streams would have kept it, and at the end the browser stops by itself."""
    page.set_input_files("#files", [recording] * 7)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    with page.expect_console_message(lambda message: message.text == "All tasks have ended", timeout=40_000):
        page.evaluate(f"async () => {{ {many_javascript()} }}")
        assert page.evaluate("async () => (await fetch('/health/live')).status") == 200
    assert len([line for line in said if line.endswith(": completed, 100%")]) == 7


SILENT = """
async () => {
    const form = new FormData();
    form.append('audio', document.getElementById('file').files[0]);
    const task = await (await fetch('/audio/tasks', {method: 'POST', body: form})).json();
    const seen = {opened: 0, events: 0, errors: 0};
    const source = new EventSource(task.links.events);
    source.onopen = () => seen.opened++;
    source.onmessage = () => seen.events++;
    source.onerror = () => seen.errors++;
    await new Promise(resolve => setTimeout(resolve, 3000));
    source.close();
    return seen;
}
"""


def test_s06_a_page_without_a_watchdog_connects_once(page: Page, settings: BaseSettings, recording: Path) -> None:
    """For thirty pings nothing happens to a task that waits for a worker: the page sees none of them, and keeps its one
    connection."""
    port = free_port()
    with gateway_process(settings, port=port, environ={"PING_SECONDS": "0.1"}):
        url = f"http://127.0.0.1:{port}"
        transport = httpx.HTTPTransport(retries=10)  # with pauses in between, for a process that has just been started
        with httpx.Client(base_url=url, transport=transport, trust_env=False, timeout=20) as client:
            assert client.get("/health/live").status_code == 200
        page.goto(f"{url}/guide")
        page.set_input_files("#file", recording)
        assert page.evaluate(SILENT) == {"opened": 1, "events": 0, "errors": 0}


def test_s13_a_page_of_another_origin_submits_watches_and_reads_refusals(
    page: Page, mesh_url: str, recording: Path
) -> None:
    """fetch with its stream and header, EventSource with credentials, and the code of a refusal behind a preflight."""
    form = '<input type="file" id="file">'
    page.route(f"{OTHER_ORIGIN}/**", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto(f"{OTHER_ORIGIN}/page")
    page.set_input_files("#file", recording)
    found = page.evaluate(FOLLOW, {"url": mesh_url, "path": "/audio/process-stream-realtime?task_id="})
    assert found["fetched"][-1] == "completed"
    assert found["seen"] == found["fetched"]
    assert found["code"] == "no_such_task"
