"""The JavaScript of the README in a real browser, on a page of the gateway's own origin."""

import re
from pathlib import Path

from playwright.sync_api import Page

from tests.local_mesh import ROOT


def readme_javascript() -> str:
    """The JavaScript example, to the letter."""
    found = re.search(r"```javascript\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_readmes_page_shows_the_transcript(page: Page, recording: Path) -> None:
    """The page submits a file with fetch, sees partial text and every step through EventSource, and the end."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.set_input_files("#file", recording)
    with page.expect_console_message(lambda message: "Processing complete!" in message.text):
        page.evaluate(f"async () => {{ {readme_javascript()} }}")
    steps = [line for line in said if line.startswith("Step: ") and "queued" not in line]
    assert steps[0] == "Step: started, Progress: 5%"
    assert "Step: insights_complete, Progress: 95%" in steps
    assert steps[-1] == "Step: completed, Progress: 100%"
    assert page.inner_text("#transcript") == "Sentence 1. Sentence 2. Sentence 3."


def test_an_event_source_that_nobody_closes_stops_by_itself(page: Page, recording: Path) -> None:
    """When a task has ended, the browser comes back once with the last id and is told that there is no more."""
    page.set_input_files("#file", recording)
    counted = page.evaluate(
        """async () => {
            const form = new FormData();
            form.append('audio', document.getElementById('file').files[0]);
            const task = await (await fetch('/audio/tasks', {method: 'POST', body: form})).json();
            const source = new EventSource(`/audio/process-stream-realtime?task_id=${task.task_id}`);
            const ids = [];
            source.onmessage = event => ids.push(event.lastEventId);
            await new Promise(resolve => {
                source.onerror = () => source.readyState === EventSource.CLOSED && resolve();
            });
            return {all: ids.length, different: new Set(ids).size};
        }"""
    )
    assert counted["all"] == counted["different"] > 0
