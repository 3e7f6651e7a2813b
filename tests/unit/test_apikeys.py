"""API keys as they stand in settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.gateway.access import keyring
from services.gateway.access.keyring import Keyring
from services.gateway.settings import Settings
from shared.apikeys import entry_of, make, parse
from shared.errors import SettingsError

ONE, OTHER, THIRD = make(), make(), make()


def write(path: Path, *lines: str) -> None:
    """Replace the file in one step, as Kubernetes does it with a secret."""
    new = path.with_suffix(".new")
    new.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    new.replace(path)


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key that comes lets the keyring look at its file."""
    monkeypatch.setattr(keyring, "_LOOK_SECONDS", 0.0)


def test_a_key_is_known_by_its_name() -> None:
    """Several keys, several of one tenant; any other string is nobody's."""
    entries = ", ".join((entry_of("web", ONE), entry_of("web", OTHER), entry_of("batch.jobs", THIRD)))
    ring = Keyring(Settings(api_keys=entries))
    assert [ring.owner_of(key) for key in (ONE, OTHER, THIRD)] == ["web", "web", "batch.jobs"]
    assert {ring.owner_of(key) for key in (ONE[:-1], ONE + "x", "", "web", "ключ", entry_of("web", ONE))} == {None}


def test_keys_are_asked_for_once_there_is_a_place_for_them(tmp_path: Path) -> None:
    """Without settings nobody is asked; with a file that holds no key nobody is let in."""
    file = tmp_path / "keys"
    write(file, "# none yet", "")
    assert not Keyring(Settings()).required
    assert Keyring(Settings(api_keys=entry_of("web", ONE))).required
    ring = Keyring(Settings(api_keys_file=file))
    assert ring.required
    assert ring.owner_of("") is None


@pytest.mark.usefixtures("watchful")
def test_a_changed_file_counts_at_once(tmp_path: Path) -> None:
    """A key that was taken out is refused, one that was added let in, without a restart."""
    file = tmp_path / "keys"
    write(file, entry_of("web", ONE))
    ring = Keyring(Settings(api_keys=entry_of("fixed", THIRD), api_keys_file=file))
    assert (ring.owner_of(ONE), ring.owner_of(OTHER)) == ("web", None)
    write(file, "# web has left", entry_of("new", OTHER))
    assert (ring.owner_of(ONE), ring.owner_of(OTHER), ring.owner_of(THIRD)) == (None, "new", "fixed")


@pytest.mark.usefixtures("watchful")
def test_a_file_that_breaks_changes_nothing(tmp_path: Path) -> None:
    """While it cannot be understood or is gone, the keys that were read last count, and the log names the place."""
    file = tmp_path / "keys"
    write(file, entry_of("web", ONE))
    ring = Keyring(Settings(api_keys_file=file))
    write(file, entry_of("web", ONE), OTHER)
    with capture_logs() as logs:
        assert (ring.owner_of(ONE), ring.owner_of(OTHER)) == ("web", None)
    assert "API_KEYS_FILE: entry 2 is not name:sha256" in logs[0]["error"]
    assert OTHER not in str(logs)
    file.unlink()
    with capture_logs() as logs:
        assert ring.owner_of(ONE) == "web"
    assert "cannot be read" in logs[0]["error"]


@pytest.mark.parametrize(
    "line",
    ["web", ONE, f"web:{ONE}", "web:", f":{'0' * 64}", f"a b:{'0' * 64}", f"web:{'0' * 63}", f"web:{'g' * 64}"],
    ids=["name", "key", "name and key", "no hash", "no name", "a space", "too short", "not hexadecimal"],
)
def test_an_entry_that_is_none_is_named_by_its_place(line: str) -> None:
    """It may hold a key that somebody has put into the wrong place, so the message does not repeat it."""
    with pytest.raises(SettingsError) as refusal:
        parse("API_KEYS", [entry_of("web", OTHER), line])
    assert "API_KEYS: entry 2 " in str(refusal.value)
    assert ONE not in str(refusal.value)


def test_a_key_belongs_to_one_tenant() -> None:
    """The same key under two names is a mistake; twice under one it is not."""
    assert len(parse("API_KEYS", [entry_of("web", ONE), entry_of("web", ONE)])) == 1
    with pytest.raises(SettingsError, match="entry 2 gives a key a second name"):
        parse("API_KEYS", [entry_of("web", ONE), entry_of("batch", ONE)])


def test_the_command_makes_a_key_that_is_let_in() -> None:
    """`voxmesh key NAME` shows the key, no second time the same; standard output has the line for the settings
    and nothing else, so that no key gets into a file or a Secret."""
    command = [sys.executable, "-m", "deploy.local.cli", "key", "web"]
    runs = [subprocess.run(command, capture_output=True, text=True, timeout=30, check=True) for _ in range(2)]
    key, second = (run.stderr.splitlines()[1] for run in runs)
    assert key != second
    assert Keyring(Settings(api_keys=runs[0].stdout.rstrip())).owner_of(key) == "web"


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "two words", "-x", "ü", "x" * 65])
def test_a_name_is_one_word(name: str) -> None:
    """It stands in settings, logs and Redis keys."""
    with pytest.raises(SettingsError, match="cannot be a name"):
        entry_of(name, ONE)


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """A missing file and one that is no text are named."""
    with pytest.raises(SettingsError, match=r"API_KEYS_FILE: .* cannot be read"):
        Keyring(Settings(api_keys_file=tmp_path / "none"))
    (tmp_path / "noise").write_bytes(os.urandom(64) + b"\xff")
    with pytest.raises(SettingsError, match=r"API_KEYS_FILE: .* cannot be read"):
        Keyring(Settings(api_keys_file=tmp_path / "noise"))
