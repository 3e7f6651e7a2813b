"""The forms in which results are written."""

from typing import Literal, get_args

Format = Literal["txt", "json", "srt", "vtt", "tsv"]
FORMATS: tuple[Format, ...] = get_args(Format)
