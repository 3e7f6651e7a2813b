"""Models from a hub that speaks Hugging Face's protocol, whole or not at all.

The hub tells the commit behind a revision and the hash of each of its files, so what arrives can be checked, and an
interrupted download goes on where it stopped. `HF_ENDPOINT` names another hub, `HF_TOKEN` opens what needs an account;
it goes to the hub alone, never to the servers that the hub sends us on to.
"""

import hashlib
import re
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException, HTTPMessage
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.response import addinfourl

import msgspec

from shared.errors import MeshError
from shared.models.manifest import Hub, Model, ModelFile
from shared.models.store import sha256
from shared.settings import secret_of

CHUNK_BYTES = 1 << 20
ENDPOINT = "https://huggingface.co"
_TIMEOUT_SECONDS = 30.0
_OTHERS = re.compile(
    r"(.*/)?(\.gitattributes|.*\.(h5|msgpack|ot|tflite|onnx|onnx_data|gguf)|(tf|flax|rust)_model.*)|(onnx|openvino|coreml)/.*"
)
"""The same weights for libraries that no engine here uses."""


_REFUSALS = {401: "there is none, or HF_TOKEN is missing", 403: "HF_TOKEN may not have it", 404: "there is none"}


class _Large(msgspec.Struct):
    sha256: str
    size: int


class _Sibling(msgspec.Struct):
    rfilename: str
    size: int = 0
    blob_id: str = msgspec.field(name="blobId", default="")
    lfs: _Large | None = None


class _Card(msgspec.Struct):
    license: str | None = None


class _Repository(msgspec.Struct):
    sha: str
    siblings: list[_Sibling]
    card: _Card | None = msgspec.field(name="cardData", default=None)


class Download:
    """One model of a hub, at the commit that a revision stands for now."""

    def __init__(self, repo: str, revision: str, environ: Mapping[str, str]) -> None:
        """Asks the hub. Raises `MeshError` when it does not answer, or has no such model."""
        self._repo = repo
        self._endpoint = (environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
        self._token = secret_of(environ, "HF_TOKEN")
        with self._open(f"/api/models/{repo}/revision/{quote(revision, safe='')}?blobs=true") as answer:
            try:
                self._found = msgspec.json.decode(answer.read(), type=_Repository)
            except msgspec.DecodeError as error:
                raise _failed(repo, "the hub's answer makes no sense") from error
        self._files = _wanted(self._found.siblings)

    @property
    def commit(self) -> str:
        """What the revision stands for: the commit that everything is taken from."""
        return self._found.sha

    @property
    def size(self) -> int:
        """Bytes to bring in all."""
        return sum(_size(file) for file in self._files)

    def bring(self, folder: Path, progress: Callable[[int], None]) -> Model:
        """All files in `folder`, checked; what an earlier attempt left there is gone on with. `progress` hears of bytes
        as they come. Returns the model's receipt. Raises `MeshError` when a file cannot be had, or is another."""
        described = [self._bring(file, folder, progress) for file in self._files]
        card = self._found.card
        return Model(
            name=self._repo,
            purpose="",
            stage=None,
            licence=(card.license if card else None) or "unknown",
            default=False,
            hub=Hub(repo=self._repo, revision=self._found.sha),
            files=tuple(described),
        )

    def _bring(self, file: _Sibling, folder: Path, progress: Callable[[int], None]) -> ModelFile:
        path = folder / file.rfilename
        path.parent.mkdir(parents=True, exist_ok=True)
        have = path.stat().st_size if path.is_file() else 0
        if have > _size(file):
            path.unlink()
            have = 0
        progress(have)
        path.touch()  # a file may be empty
        if have < _size(file):
            self._append(file, path, have, progress)
        digest = sha256(path)
        if not (digest == file.lfs.sha256 if file.lfs else _blob_id(path) == file.blob_id):
            path.unlink()
            reason = f"{file.rfilename} of {self._repo} does not have the contents that the hub names"
            raise MeshError("model_corrupt", reason)
        return ModelFile(path=file.rfilename, size=path.stat().st_size, sha256=digest)

    def _append(self, file: _Sibling, path: Path, have: int, progress: Callable[[int], None]) -> None:
        with self._open(f"/{self._repo}/resolve/{self._found.sha}/{quote(file.rfilename)}", start=have) as answer:
            appending = have > 0 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if not appending:
                progress(-have)
            with path.open("ab" if appending else "wb") as sink:
                try:
                    while chunk := answer.read(CHUNK_BYTES):
                        sink.write(chunk)
                        progress(len(chunk))
                except (OSError, HTTPException) as error:
                    raise _failed(self._repo, f"the connection broke; pull again to go on ({error})") from error
        if path.stat().st_size < _size(file):
            raise _failed(self._repo, f"{file.rfilename} came in part; pull again to go on")

    def _open(self, path: str, *, start: int = 0) -> addinfourl:
        request = urllib.request.Request(self._endpoint + path)  # noqa: S310 - the operator names the hub
        if start:
            request.add_header("Range", f"bytes={start}-")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            return _OPENER.open(request, timeout=_TIMEOUT_SECONDS)
        except HTTPError as error:
            raise _failed(self._repo, _REFUSALS.get(error.code, f"the hub answers {error.code}")) from error
        except (OSError, HTTPException) as error:
            raise _failed(self._repo, f"{self._endpoint} does not answer: {getattr(error, 'reason', error)}") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to other servers without the token."""

    def redirect_request(  # noqa: PLR0917 - the library's own
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            request.remove_header("Authorization")
        return request


_OPENER = urllib.request.build_opener(_Redirects)


def _wanted(files: Sequence[_Sibling]) -> Sequence[_Sibling]:
    """The files without those for other libraries, and with one kind of weights."""
    safe = any(file.rfilename.endswith(".safetensors") for file in files)
    kept = [
        file
        for file in files
        if not _OTHERS.fullmatch(file.rfilename)
        and not (safe and re.fullmatch(r"pytorch_model.*\.bin", file.rfilename))
    ]
    for file in kept:
        path = PurePosixPath(file.rfilename)
        if path.is_absolute() or ".." in path.parts:
            raise MeshError("model_corrupt", f"the hub names a file outside of the model: {file.rfilename}")
    return kept


def _size(file: _Sibling) -> int:
    return file.lfs.size if file.lfs else file.size


def _blob_id(path: Path) -> str:
    """What git calls the contents of a small file."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _failed(repo: str, reason: str) -> MeshError:
    return MeshError("model_download_failed", f"{repo} could not be downloaded: {reason}")
