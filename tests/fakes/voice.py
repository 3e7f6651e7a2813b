"""A synthetic voice that says what a test wants, in many languages: eSpeak NG, from the library in its package."""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np

from shared.audio import decode
from tests.fakes.recordings import Sound, write_wave

_SYNCHRONOUS, _CHARACTERS, _UTF8, _RATE = 2, 1, 1, 1
_WORDS_PER_MINUTE = 150
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def say(folder: Path, text: str, language: str = "en-us") -> Sound:
    """`text` as samples at 16 kHz. `language` may name a variant of the voice, as `en-us+f4`. `folder` is for a file on
    the way."""
    library, rate, heard, _ = _library()
    heard.clear()
    assert library.espeak_SetVoiceByName(language.encode()) == 0, f"there is no voice {language}"
    content = text.encode()
    library.espeak_Synth(content, len(content) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
    return decode(write_wave(folder / "voice.wav", np.concatenate(heard), rate=rate)).samples


@cache
def _library() -> tuple[Any, int, list[Any], Any]:
    """The library, its sample rate, where it puts what it says, and the function that it calls for that, which must
    live as long as the library. It can be set up but once in a process."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    heard: list[Any] = []
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    take = _collector(heard)
    library.espeak_SetSynthCallback(take)
    library.espeak_SetParameter(_RATE, _WORDS_PER_MINUTE, 0)
    return library, rate, heard, take


def _collector(heard: list[Any]) -> Callable[..., int]:
    @_Callback
    def take(samples: Any, count: int, _: Any) -> int:
        if samples and count:
            heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    return take
