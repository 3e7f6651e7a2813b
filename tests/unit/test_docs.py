"""The documents name what the code has, and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.chart import values_schema, values_table

ROOT = Path(__file__).parent.parent.parent
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
PLACES = {"Problem": 1, "Permanent": 0, "Retryable": 0}
"""Where these take their code; others take it by keyword."""


def _codes(source: str) -> Iterator[str]:
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        given = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
        if name in PLACES:
            given += call.args[PLACES[name] : PLACES[name] + 1]
        for value in given:
            if isinstance(value, ast.Constant) and CODE.fullmatch(str(value.value)):
                yield str(value.value)


def test_every_code_is_explained() -> None:
    """docs/errors.md has a line for each code that a client can get, and for no other."""
    sources = [path for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py")]
    used = {code for path in sources for code in _codes(path.read_text(encoding="utf-8"))} | {"unavailable"}
    document = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", document, flags=re.MULTILINE)) == used


def test_links_lead_somewhere() -> None:
    """Each relative link of a document leads to a file."""
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_schema_of_the_chart_fits_the_settings() -> None:
    """values.schema.json and the README's table are made from values.yaml and the services' settings, by
    `python -m tests.chart.values_schema`."""
    assert values_schema.FILE.read_text(encoding="utf-8") == values_schema.text()
    assert values_table.README.read_text(encoding="utf-8") == values_table.text()
