"""The table of all values in the README, made from `values.yaml` and its comments. `values_schema` writes it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHART = Path(__file__).parents[2] / "deploy/k8s/voxmesh"
README = CHART / "README.md"
_TABLE = re.compile(r"(?<=<!-- values -->\n).*(?=<!-- end of values -->)", re.DOTALL)
_LINE = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]\w*):(?: +(?P<value>[^\s#].*?))??(?: +# (?P<comment>.*))?")


class Row(NamedTuple):
    """A value, or a block of them: then it has no default of its own."""

    path: str
    default: str
    meaning: str


def rows() -> Iterator[Row]:
    """Each value in the order of the file, and each block that has a comment: above it with `# --`, or behind it."""
    path: list[str] = []
    comment = ""
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            comment = text.removeprefix("# -- ")
        elif text.startswith("#") and comment:
            comment += text.removeprefix("#")
        elif found := _LINE.fullmatch(line):
            path = [*path[: len(found["indent"]) // 2], found["key"]]
            comment = found["comment"] or comment
            if found["value"] or comment:
                yield Row(".".join(path), found["value"] or "", comment)
            comment = ""


def text() -> str:
    """The README as it has to be."""
    table = ["| value | default | |\n", "|---|---|---|\n"]
    for row in rows():
        default = f"`{row.default}`" if row.default else ""
        table.append(f"| `{row.path}` | {default} | {row.meaning.replace('|', '&#124;')} |\n")
    return _TABLE.sub(lambda _: "".join(table), README.read_text(encoding="utf-8"))
