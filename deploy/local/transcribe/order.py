"""What is to be done: which recordings, what to ask for, and which files come of it."""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec

from deploy.local.terminal import plain
from deploy.local.transcribe.formats import FORMATS, Format
from deploy.local.transcribe.inputs import Recording
from shared.client import Options
from shared.errors import Permanent, SettingsError
from shared.text.language import normalise

_NAME_BYTES = 255
"""What a name in a folder may have, nearly everywhere."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`stems` is what the files of each recording are called, without an ending. Without a `folder` there is one
    recording and one format, for standard output."""

    recordings: Sequence[Recording]
    formats: Sequence[Format]
    folder: Path | None
    stems: Mapping[Recording, str]
    options: Options
    translated: bool
    jobs: int
    patience: float
    quiet: bool

    def path_of(self, recording: Recording, kind: Format, *, language: str = "") -> Path:
        """The file for a result; with a language, for the translation. Raises `SettingsError` when that is one of the
        recordings, or its name too long."""
        assert self.folder is not None
        path = self.folder / f"{self.stems[recording]}{f'.{language}' if language else ''}.{kind}"
        if len(os.fsencode(path.name)) > _NAME_BYTES:
            raise SettingsError(
                f"{recording.label}: the name of its result would have more than {_NAME_BYTES} bytes; send it as "
                "standard input, or under a shorter name"
            )
        if any(other.path and path.exists() and path.samefile(other.path) for other in self.recordings):
            raise SettingsError(f"{plain(str(path))}: a recording is there; choose another folder with -o")
        return path


def order_of(arguments: argparse.Namespace, recordings: Sequence[Recording]) -> Order:
    """The order that the command line gives. Raises `SettingsError` for what cannot be."""
    for option in ("language", "translate", "redact"):
        given: str = getattr(arguments, option)
        if given and not given.strip(" ,"):
            raise SettingsError(f"--{option}: there is nothing in it")
    formats = _formats(arguments.formats)
    if arguments.folder is None and len(recordings) * len(formats) > 1:
        raise SettingsError("-o: more than one file comes of this; say in which folder (-o . for this one)")
    if arguments.insights and "json" not in formats:
        raise SettingsError("--insights: they stand in the json alone; add --format json")
    if arguments.jobs < 1 or not arguments.patience >= 0:  # nor is it no number
        raise SettingsError("--jobs must be 1 or more, and --patience not negative")
    order = Order(
        recordings=recordings,
        formats=formats,
        folder=arguments.folder,
        stems=stems_of(recordings),
        options=_options(arguments),
        translated=bool(arguments.translate),
        jobs=arguments.jobs,
        patience=arguments.patience,
        quiet=arguments.quiet,
    )
    if arguments.folder is not None:
        _prepare(order, arguments.folder)
    return order


def _formats(words: Sequence[str]) -> Sequence[Format]:
    names = [name.strip().lower() for word in words for name in word.split(",") if name.strip()] or ["txt"]
    if "all" in names:
        names = list(FORMATS)
    if unknown := [name for name in names if name not in FORMATS]:
        raise SettingsError(f"--format: {', '.join(unknown)} is none; there are {', '.join(FORMATS)}, and all")
    return cast("Sequence[Format]", list(dict.fromkeys(names)))


def _options(arguments: argparse.Namespace) -> Options:
    options = Options(include_insights=arguments.insights)
    if arguments.language:
        options["language"] = arguments.language
    if arguments.translate:
        options["include_translation"] = True
        options["target_language"] = arguments.translate
    if arguments.initial_prompt:
        options["initial_prompt"] = arguments.initial_prompt
    if arguments.redact:
        options["redact"] = arguments.redact.split(",")
    return options


def _prepare(order: Order, folder: Path) -> None:
    """Raises `SettingsError` when the files cannot be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"-o: {plain(str(folder))} cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"-o: {plain(str(folder))} cannot be written")
    for recording in order.recordings:
        for kind in order.formats:
            order.path_of(recording, kind)
    if order.translated:
        _prepare_translations(order)


def _prepare_translations(order: Order) -> None:
    """The same for translations, and when that of one recording would be called like the text of another: that of
    `talk.mp3` into German like `talk.de.mp3`."""
    language = order.options.get("target_language", "")
    try:
        language = normalise(language)
    except Permanent:  # the gateway will say so
        return
    named = {stem.casefold(): recording for recording, stem in order.stems.items()}
    for stem, recording in named.items():
        if (other := named.get(f"{stem}.{language}")) is not None:
            raise SettingsError(
                f"{recording.label}, {other.label}: their results would have one name; give them to two runs"
            )
    for recording in order.recordings:
        for kind in order.formats:
            order.path_of(recording, kind, language=language)


def stems_of(recordings: Sequence[Recording]) -> dict[Recording, str]:
    """A name for each, unlike any other's even where the system makes no difference between capitals and others:
    `talk` for `talk.mp3`, but `talk.mp3` beside `talk.wav`, and `may/talk` beside `june/talk`."""
    paths = [recording.path.absolute() for recording in recordings if recording.path]
    common = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    ways: Sequence[Callable[[Recording], str]] = (
        lambda recording: Path(recording.name).stem,
        lambda recording: recording.name,
        lambda recording: str(_below(common, recording).with_suffix("")),
        lambda recording: str(_below(common, recording)),
    )
    stems: dict[Recording, str] = {}
    for way in ways:
        left = {recording: way(recording) for recording in recordings if recording not in stems}
        count = Counter(name.casefold() for name in left.values())
        free = {name for name, times in count.items() if times == 1} - {stem.casefold() for stem in stems.values()}
        stems |= {recording: name for recording, name in left.items() if name.casefold() in free}
    if twice := [recording.label for recording in recordings if recording not in stems]:
        raise SettingsError(f"{', '.join(twice)}: their results would have one name; give them to two runs")
    return stems


def _below(folder: Path, recording: Recording) -> Path:
    return recording.path.absolute().relative_to(folder) if recording.path else Path(recording.name)
