"""Images without Docker: a Dockerfile as it reads, and its steps run as the commands that they are, in a clean folder.

What needs root over a whole system, Debian's packages, is left out; so are layers. Paths that the build takes from ENV
(`PREFIX`, `TOOLS`) are put into the folder; the rest of what the image sets is given to its service as it stands.
"""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

ROOT = Path(__file__).parent.parent.parent
NOBODY = 65_532 if os.geteuid() == 0 else None
"""Who runs the services. Whoever runs the tests without being root is nobody special already."""
_NEEDS_THE_SYSTEM = "apt-get"


class Step(NamedTuple):
    """One instruction, its continuation lines joined."""

    name: str
    value: str


class Stage(msgspec.Struct, kw_only=True):
    """From one FROM to the next."""

    base: str
    name: str
    steps: list[Step]


def read(service: str) -> Sequence[Stage]:
    """The stages of a service's Dockerfile; what stands before the first is a stage without base and name."""
    text = (ROOT / f"services/{service}/Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    stages = [Stage(base="", name="", steps=[])]
    for name, value in re.findall(r"^([A-Z]+) +(.*)$", text, flags=re.MULTILINE):
        if name == "FROM":
            base, _, alias = value.partition(" AS ")
            stages.append(Stage(base=base, name=alias, steps=[]))
        else:
            stages[-1].steps.append(Step(name, " ".join(value.split())))
    return stages


def environ_of(stages: Sequence[Stage]) -> dict[str, str]:
    """What the ENV instructions of these stages set, without what they take from others ($PATH)."""
    values = [
        word for stage in stages for step in stage.steps if step.name == "ENV" for word in shlex.split(step.value)
    ]
    return dict(value.split("=", 1) for value in values)


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """What a Dockerfile makes. `prefix` is what its last stage copies."""

    service: str
    prefix: Path
    environ: Mapping[str, str]
    command: Sequence[str]

    @contextmanager
    def running(self, environ: Mapping[str, str]) -> Generator[subprocess.Popen[bytes]]:
        """The service as in a container: nobody's process, in a folder that it cannot write, with an environment of
        what the image sets and `environ`. It is killed at the end if it still runs."""
        process = subprocess.Popen(
            self.argv(*self.command),
            cwd="/",
            env={**self.environ, **environ},
            user=NOBODY,
            group=NOBODY,
            extra_groups=NOBODY and [],
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def argv(self, program: str, *arguments: str) -> Sequence[str]:
        """The command line of a program of the image."""
        return (str(self.prefix / "bin" / program), *arguments)


class Workshop:
    """A folder in which images are made, all with one interpreter and one set of tools, as with Docker's cache."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._python = _interpreter(folder / "python")

    def make(self, service: str, *, device: str = "cpu") -> Image:
        """Run the build steps of a service's Dockerfile. Its prefix can be read by all and written by nobody."""
        _, build, *rest = read(service)
        environ = environ_of([build])
        prefix = self._folder / service
        environ |= {"DEVICE": device, "PREFIX": str(prefix), "TOOLS": str(self._folder / "tools")}
        source = self._folder / f"{service}-src"
        source.mkdir()
        for step in build.steps:
            if step.name == "COPY":
                *names, target = step.value.split()
                _copy(names, source / target)
            elif step.name == "RUN":
                self._run(step.value, source, environ)
        last = rest[-1]
        own = environ_of([last])
        # An interpreter that was moved would find its library only where nobody may look.
        own |= {"PATH": str(prefix / "bin"), "LD_LIBRARY_PATH": str(self._folder / "python" / "lib")}
        (command,) = (step.value for step in last.steps if step.name == "CMD")
        _protect(prefix)
        return Image(service=service, prefix=prefix, environ=own, command=msgspec.json.decode(command))

    def _run(self, value: str, source: Path, environ: Mapping[str, str]) -> None:
        assert _NEEDS_THE_SYSTEM not in value, "the stage that is built by commands needs no root"
        for name in re.findall(r"--mount=type=bind,source=([^,]+)", value):
            _copy([name], source / name)
        command = re.sub(r"^(--mount=\S+ )+", "", value)
        # A cache on the same disk gives its files as links, and nobody waits for byte code.
        path = f"{self._python.parent}:{os.environ['PATH']}"
        outer = of_the_installers() | {**environ, "PATH": path, "UV_COMPILE_BYTECODE": "0"}
        command = command.replace("UV_LINK_MODE=copy ", "")
        done = subprocess.run(
            ["sh", "-eu", "-c", command],
            cwd=source,
            env=outer,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def of_the_installers() -> dict[str, str]:
    """What tells pip and uv how to reach their index, and where their caches are."""
    return {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "HOME"))}


def _interpreter(folder: Path) -> Path:
    """A Python that nobody, too, can run: ours, or where that lies in a folder of root's, one made of its files."""
    base = Path(sys.base_prefix).resolve()
    ours = base / "bin" / f"python3.{sys.version_info.minor}"
    if os.geteuid() != 0 or all(parent.stat().st_mode & stat.S_IXOTH for parent in ours.parents):
        found = folder / "bin" / "python3"
        found.parent.mkdir(parents=True)
        found.symlink_to(ours)
        return found
    ignored = shutil.ignore_patterns("site-packages", "test", "__pycache__", "share", "include", "*.a")
    shutil.copytree(base, folder, symlinks=True, ignore=ignored, copy_function=_link)
    return folder / "bin" / "python3"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)


def _copy(names: Sequence[str], target: Path) -> None:
    for name in names:
        origin = ROOT / name
        if origin.is_dir():
            shutil.copytree(origin, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "k8s"))
        else:
            shutil.copy2(origin, target)


def _protect(prefix: Path) -> None:
    for path in _all(prefix):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)


def unprotect(prefix: Path) -> None:
    """So that it can be removed."""
    for path in _all(prefix):
        if path.is_dir():
            path.chmod(0o755)


def _all(prefix: Path) -> Iterator[Path]:
    """Folders and the files in them that are not shared with a cache by a link."""
    yield prefix
    with suppress(FileNotFoundError):
        for path in prefix.rglob("*"):
            if not path.is_symlink() and (path.is_dir() or path.stat().st_nlink == 1):
                yield path
