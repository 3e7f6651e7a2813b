"""What the files beside a converted model tell about it."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from shared.errors import Permanent
from shared.text.language import normalise

_OPUS_NAME = re.compile(r"opus-mt(?:-tc)?(?:-(?:big|base|tiny))?-([a-z]{2,3})[-_]([a-z]{2,3})(?![a-z])")


class _Told(msgspec.Struct, frozen=True):
    """What is of interest in `tokenizer_config.json`, a file of OPUS-MT."""

    source_lang: str | None = None
    target_lang: str | None = None


def vocabulary(folder: Path, side: str) -> Sequence[str]:
    """The tokens that the encoder (`source`) or the decoder (`target`) knows. Raises `OSError` without a file."""
    for name in (f"{side}_vocabulary", "shared_vocabulary"):
        if (folder / f"{name}.json").is_file():
            return msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=list[str])
        if (folder / f"{name}.txt").is_file():
            return (folder / f"{name}.txt").read_text("utf-8").split("\n")
    raise FileNotFoundError("there is no vocabulary beside it")


def told_pair(folder: Path, name: str) -> tuple[str | None, str | None]:
    """The languages of source and target by the files of a model, or else by its name. None for what neither tells."""
    path = folder / "tokenizer_config.json"
    told = msgspec.json.decode(path.read_bytes(), type=_Told) if path.is_file() else _Told()
    source, target = _code(told.source_lang), _code(told.target_lang)
    named = _OPUS_NAME.search(name)
    if named:
        source, target = source or _code(named[1]), target or _code(named[2])
    return source, target


def _code(name: str | None) -> str | None:
    try:
        return normalise(name) if name else None
    except Permanent:
        return None
