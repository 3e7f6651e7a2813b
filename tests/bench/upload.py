"""What an upload costs the gateway in memory: one of 1 GB, after a small one has warmed it up.

The recording is a sparse WAV that is sent as it is read. Fails when the gateway has ever grown by 32 MB or more.
`python -m tests.bench.upload`
"""

import asyncio
import struct
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import psutil

from tests.bench.stand import Stand, short_wav, standing

GIGABYTE = 1 << 30
MOST_GROWTH = 32 << 20
_PIECE = 1 << 20


def write_sparse(path: Path, size: int) -> None:
    """A WAV of 48 kHz stereo that is `size` bytes of silence and takes no room on the disk."""
    header = b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt "
    header += struct.pack("<IHHIIHH", 16, 1, 2, 48_000, 192_000, 4, 16) + b"data" + struct.pack("<I", size)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)


async def pieces(path: Path) -> AsyncIterator[bytes]:
    """The file as it is read."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


async def send(url: str, audio: object) -> None:
    """One submission."""
    form = aiohttp.FormData()
    form.add_field("audio", audio, filename="recording.wav")
    async with aiohttp.ClientSession() as session, session.post(f"{url}/audio/tasks", data=form) as answer:
        assert answer.status == 202, await answer.text()


async def peak_of(stand: Stand, upload: "asyncio.Task[None]") -> int:
    """The most memory that the gateway had while `upload` ran, in bytes, looked at 50 times a second."""
    gateway = psutil.Process(stand.gateway.pid)
    peak = 0
    while not upload.done():
        peak = max(peak, gateway.memory_info().rss)
        await asyncio.wait([upload], timeout=0.02)
    upload.result()
    return max(peak, gateway.memory_info().rss)


async def main() -> int:
    with TemporaryDirectory(prefix="voxmesh-bench-") as folder:
        recording = Path(folder, "recording.wav")
        write_sparse(recording, GIGABYTE)
        async with standing() as stand:
            gateway = psutil.Process(stand.gateway.pid)
            idle = gateway.memory_info().rss
            await send(stand.url, short_wav())
            warm = gateway.memory_info().rss
            busy, started = gateway.cpu_times(), time.perf_counter()
            peak = await peak_of(stand, asyncio.create_task(send(stand.url, pieces(recording)), name="upload"))
            seconds, used = time.perf_counter() - started, gateway.cpu_times()
    computing = used.user + used.system - busy.user - busy.system
    print(f"gateway: idle {idle / 1e6:.0f} MB, after a small upload {warm / 1e6:.0f} MB, at most {peak / 1e6:.0f} MB")
    print(f"1 GB in {seconds:.1f} s with {computing:.1f} s of computing; memory grew by {(peak - warm) / 1e6:.1f} MB")
    return 0 if peak - warm < MOST_GROWTH else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
