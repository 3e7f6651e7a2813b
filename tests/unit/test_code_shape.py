"""The size of what one has to read at a time, and a sentence on what each test proves."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MODULE_LINES = 300
FUNCTION_LINES = 40
EXCEPTIONS = {
    "shared/messages.py": "all that crosses a process boundary, in one place to look it up",
}
"""`path` or `path:function` of what may be longer, and why it is better so."""

STAGES = ("asr", "translate", "nlp", "insights")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _modules(*folders: str) -> Iterator[tuple[str, str]]:
    """Path relative to the repository and source of each module."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def _functions(source: str) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, Function))


def test_modules_and_functions_are_short() -> None:
    """No module has over 300 lines and no function over 40, but for the exceptions named above."""
    long: list[str] = []
    for path, source in _modules("services", "shared", "deploy", "tests"):
        if len(source.splitlines()) > MODULE_LINES:
            long.append(path)
        for function in _functions(source):
            assert function.end_lineno is not None
            if function.end_lineno - function.lineno >= FUNCTION_LINES:
                long.append(f"{path}:{function.name}")
    assert sorted(long) == sorted(EXCEPTIONS)


def test_every_test_says_what_it_proves() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{path}:{function.name}"
        for path, source in _modules("tests")
        for function in _functions(source)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert silent == []


def test_every_module_says_what_it_is_for() -> None:
    """Each module with code in it has a docstring."""
    silent = [
        path
        for path, source in _modules("services", "shared", "deploy", "tests")
        if source.strip() and not ast.get_docstring(ast.parse(source))
    ]
    assert silent == []


def test_all_stage_services_look_alike() -> None:
    """Whoever knows the public modules of one knows those of the others, what to call in them, and who calls it."""
    for stage in STAGES:
        sources = {Path(path).name: source for path, source in _modules(f"services/{stage}")}
        public = {name for name in sources if not name.startswith("_")}
        assert public == {"settings.py", "protocol.py", "engine.py", "stage.py", "worker.py"}
        assert _classes(sources["settings.py"]) == {"Settings": "StageSettings"}
        assert _classes(sources["protocol.py"])["Engine"] == "shared.stage.Engine"
        assert "def make_engine(settings: Settings) -> Engine:" in sources["engine.py"]
        assert _classes(sources["engine.py"]) == {}
        assert "async def run(work: Work, engine: Engine, emit: Emit) -> Document:" in sources["stage.py"]
        assert sources["worker.py"].replace(stage, "asr") == (ROOT / "services/asr/worker.py").read_text("utf-8")


def _classes(source: str) -> dict[str, str]:
    """The first base of each class that has any."""
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return {each.name: ast.unparse(each.bases[0]) for each in classes if each.bases}
