"""Checks a running gateway from the outside: `python tests/clients/test_streaming.py URL FILE`.

Submits FILE to the streaming endpoint at URL, shows progress and partial results as they arrive, and checks the whole
flow. Exits 0 when all holds, 1 when something does not. Needs aiohttp and nothing else.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp

Update = dict[str, Any]

STEPS = {
    "queued": (0, 0),
    "started": (5, 5),
    "transcription": (10, 30),
    "transcription_complete": (30, 30),
    "translation": (35, 50),
    "translation_complete": (50, 50),
    "ner": (60, 60),
    "ner_complete": (65, 65),
    "classification": (70, 70),
    "classification_complete": (75, 75),
    "summarization": (80, 80),
    "summarization_complete": (85, 85),
    "insights": (90, 90),
    "insights_complete": (95, 95),
    "completed": (100, 100),
}
"""Every step in its order, with the least and the most progress (percent) that it may report."""

MAY_BE_MISSING = ("queued", "transcription", "translation")
"""Nothing has to wait, and an engine may work in batch, without partial results."""

TERMINAL = ("completed", "failed", "cancelled", "expired")

RESULT_FIELDS = ("transcript", "translation", "entities", "topics", "summary", "insights")


async def stream(url: str, file: Path) -> AsyncIterator[Update]:
    """The updates that the gateway sends about `file`, until it ends the stream."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    with file.open("rb") as audio:
        form = aiohttp.FormData({"include_translation": "true", "include_insights": "true"})
        form.add_field("audio", audio, filename=file.name)
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 26) as session,
            session.post(f"{url.rstrip('/')}/audio/process-stream-realtime", data=form) as response,
        ):
            if response.status != 200:
                raise SystemExit(f"the gateway answers {response.status}: {await response.text()}")
            async for line in response.content:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


def show(update: Update) -> None:
    """One line for a person."""
    print(f"{update['progress']:3d} %  {update['step']:24} {update['message']}", flush=True)
    partial: Update = update.get("partial_result") or {}
    if partial.get("is_final") is False:
        text = partial.get("transcript") or partial.get("translation") or ""
        print(f"       partial result: …{text[-80:]}", flush=True)


def faults(updates: Sequence[Update]) -> Iterator[str]:
    """What is wrong with a whole stream, a sentence each; nothing when all holds."""
    if not updates:
        yield "there were no updates"
        return
    steps = [update["step"] for update in updates]
    if len({update["task_id"] for update in updates}) != 1:
        yield "the updates name several tasks"
    if unknown := set(steps) - set(STEPS) - set(TERMINAL):
        yield f"unknown steps: {', '.join(sorted(unknown))}"
        return
    if [step for step in steps if step in TERMINAL] != steps[-1:]:
        yield f"there must be one end, and nothing behind it: {', '.join(steps)}"
    if steps[-1] != "completed":
        yield f"the task ended as {steps[-1]}: {updates[-1].get('error')}"
        return
    yield from _order(updates)
    yield from _partials(updates)
    yield from _result(updates)


def _order(updates: Sequence[Update]) -> Iterator[str]:
    steps = [update["step"] for update in updates]
    if missing := [step for step in STEPS if step not in steps and step not in MAY_BE_MISSING]:
        yield f"steps are missing: {', '.join(missing)}"
    places = [list(STEPS).index(step) for step in steps]
    if places != sorted(places):
        yield f"steps are out of order: {', '.join(steps)}"
    progress = [update["progress"] for update in updates]
    if progress != sorted(progress):
        yield f"progress falls: {progress}"
    for update in updates:
        low, high = STEPS[update["step"]]
        if not low <= update["progress"] <= high:
            yield f"{update['step']} reports {update['progress']} %, not {low} to {high}"


def _partials(updates: Sequence[Update]) -> Iterator[str]:
    for field, step in (("transcript", "transcription"), ("translation", "translation")):
        # A recording without speech, or without a model to translate it, has the step but no text.
        parts = [
            update["partial_result"] for update in updates if update["step"] == step and "partial_result" in update
        ]
        final = next(update["partial_result"] for update in updates if update["step"] == f"{step}_complete")
        if any(part["is_final"] is not False for part in parts):
            yield f"a partial {field} says that it is final"
        if final["is_final"] is not True:
            yield f"the final {field} says that it is not"
        texts = [part[field] for part in parts]
        if any(not later.startswith(earlier) for earlier, later in pairwise(texts)):
            yield f"a partial {field} takes back what an earlier one said"


def _result(updates: Sequence[Update]) -> Iterator[str]:
    result = updates[-1]["partial_result"]
    if missing := [field for field in RESULT_FIELDS if field not in result]:
        yield f"the final result lacks {', '.join(missing)}"
    complete = next(update for update in updates if update["step"] == "transcription_complete")
    if result.get("transcript") != complete["partial_result"]["transcript"]:
        yield "the final transcript is not the one that transcription_complete brought"


async def check(url: str, file: Path) -> int:
    """Run the whole check. 0 when all holds, 1 when something does not."""
    updates: list[Update] = []
    try:
        async for update in stream(url, file):
            show(update)
            updates.append(update)
    except aiohttp.ClientError as error:
        print(f"the connection failed: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{file} cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    wrong = list(faults(updates))
    for fault in wrong:
        print(f"wrong: {fault}", file=sys.stderr)
    if not wrong:
        print(f"all is well: {len(updates)} updates, from {updates[0]['step']} to {updates[-1]['step']}")
    return int(bool(wrong))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of the check that the command line asks for."""
    parser = argparse.ArgumentParser(description="Check the stream of a running gateway.")
    parser.add_argument("url", help="where the gateway is, for example http://localhost:8000")
    parser.add_argument("file", type=Path, help="a recording")
    chosen = parser.parse_args(arguments)
    return asyncio.run(check(chosen.url, chosen.file))


def test_a_whole_stream_is_as_the_guide_says(mesh_url: str, recording: Path) -> None:
    """Every step comes in order with its progress, partial results before final ones, and one end."""
    assert main([mesh_url, str(recording)]) == 0


if __name__ == "__main__":
    sys.exit(main())
