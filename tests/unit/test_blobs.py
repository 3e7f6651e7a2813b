"""The blob store: a folder, and obstore's memory store in place of a bucket."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shared.blobs import BlobStore
from shared.errors import Permanent, SettingsError
from shared.settings import BaseSettings, load

SOUND = bytes(range(256)) * 50_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "upload"
    path.write_bytes(SOUND)
    return path


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BlobStore(f"file://{tmp_path}/a%20b/blobs" if request.param == "file" else "memory:///")


async def test_a_blob_comes_back_as_a_local_file_that_can_seek(store: BlobStore, source: Path) -> None:
    """What was put is read again, also from its middle."""
    await store.put("t1", source)
    async with store.as_file("t1") as path:
        with path.open("rb") as file:
            file.seek(1000)
            assert file.read() == SOUND[1000:]


async def test_the_source_may_go_once_the_blob_is_put(store: BlobStore, source: Path) -> None:
    """A blob does not depend on the file it was made from."""
    await store.put("t1", source)
    source.unlink()
    async with store.as_file("t1") as path:
        assert path.stat().st_size == len(SOUND)


async def test_a_deleted_blob_is_gone(store: BlobStore, source: Path) -> None:
    """Cleaning up can be repeated."""
    await store.put("t1", source)
    await store.delete("t1")
    await store.delete("t1")
    assert [batch async for batch in store.batches()] == []
    with pytest.raises(Permanent) as caught:
        async with store.as_file("t1"):
            pass
    assert caught.value.code == "recording_lost"


async def test_names_tell_the_age(store: BlobStore, source: Path) -> None:
    """The janitor sees each blob and how old it is."""
    await store.put("t1", source)
    await store.put("t2", source)
    ages = {blob.name: blob.age_seconds async for batch in store.batches() for blob in batch}
    assert set(ages) == {"t1", "t2"}
    assert all(-5 < age < 60 for age in ages.values())


async def test_a_temporary_copy_is_removed(source: Path) -> None:
    """What was fetched from a bucket does not stay on the local disk."""
    store = BlobStore("memory:///")
    await store.put("t1", source)
    async with store.as_file("t1") as path:
        assert path.exists()
    assert not path.exists()


async def test_a_copy_of_a_killed_worker_is_removed(source: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """By the next that fetches a recording on this machine, who leaves alone what others are reading."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = (
        "import asyncio, os, sys, pathlib, shared.blobs as blobs\n"
        "async def die():\n"
        "    store = blobs.BlobStore('memory:///')\n"
        "    await store.put('t', pathlib.Path(sys.argv[1]))\n"
        "    async with store.as_file('t') as path:\n"
        "        print(path.stat().st_size, flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(die())\n"
    )
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    died = subprocess.run(
        [sys.executable, "-c", program, str(source)], stdout=subprocess.PIPE, env=environ, check=False
    )
    assert (died.returncode, int(died.stdout)) == (-9, len(SOUND))
    (left,) = tmp_path.glob("voxmesh-*/*/recording")
    store = BlobStore("memory:///")
    await store.put("t1", source)
    async with store.as_file("t1") as mine, store.as_file("t1") as other:
        assert not left.exists()
        assert mine.exists()
        assert other.exists()
    assert not list(tmp_path.glob("voxmesh-*/*"))


async def test_a_folder_on_the_same_disk_takes_a_link(tmp_path: Path, source: Path) -> None:
    """A large upload is not copied a second time."""
    await BlobStore(f"file://{tmp_path}/blobs").put("t1", source)
    assert (tmp_path / "blobs" / "t1").stat().st_ino == source.stat().st_ino


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://host/x", "file:///proc/none"])
def test_a_url_that_names_no_store_is_refused_by_the_name_of_its_variable(url: str) -> None:
    """A process with a wrong BLOB_URL says so at its start."""
    with pytest.raises(SettingsError, match="BLOB_URL"):
        BlobStore(url)


async def test_a_bucket_is_asked_with_the_keys_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in files sign what is sent to a bucket, though nothing of the process's own environment tells of them."""
    signed: list[str] = []

    class Bucket(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            signed.append(self.headers["Authorization"])
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
            """The test's output is not for this."""

    files = {"AWS_ACCESS_KEY_ID": "who-asks", "AWS_SECRET_ACCESS_KEY": "hush"}
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_REGION", "local")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        environ = {"BLOB_URL": "s3://recordings", **{f"{name}_FILE": str(tmp_path / name) for name in files}}
        with pytest.raises(Permanent):
            async with BlobStore.of(load(BaseSettings, environ)).as_file("t1"):
                pass
        server.shutdown()
    assert len(signed) == 1
    assert "Credential=who-asks/" in signed[0]


@pytest.mark.parametrize("url", ["gs://recordings", "az://account/recordings"])
def test_keys_of_another_cloud_are_left_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may have keys of S3 for something else, and its recordings elsewhere."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    BlobStore.of(BaseSettings(blob_url=url, aws_access_key_id="a", aws_secret_access_key="b"))
