"""OpenAI's own client, pointed at a gateway of the test."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI

from services.gateway.app import Server

NO_KEY = "none"
"""The client insists on a key; a gateway without keys does not look at it."""


@asynccontextmanager
async def openai_of(
    server: Server, *, key: str = NO_KEY, retries: int = 0, seconds: float = 20.0
) -> AsyncGenerator[AsyncOpenAI]:
    """A client that gives up after so many seconds and tries again so often."""
    base_url = f"http://127.0.0.1:{server.config.port}/v1"
    async with AsyncOpenAI(api_key=key, base_url=base_url, timeout=seconds, max_retries=retries) as client:
        yield client
