"""Settings from the environment."""

from pathlib import Path

import pytest

from services.asr.settings import Settings as AsrSettings
from services.gateway.settings import Settings as GatewaySettings
from services.insights.settings import Settings as InsightsSettings
from services.nlp.settings import Settings as NlpSettings
from services.translate.settings import Settings as TranslateSettings
from shared.errors import SettingsError
from shared.settings import BaseSettings, StageSettings, choose, load, names_redis, secrets_of


def test_the_environment_is_read_by_name() -> None:
    """A field is the variable of its name in capitals; an empty one is its default, and others are left alone."""
    settings = load(StageSettings, {"WORKER_CONCURRENCY": "3", "REDIS_TLS": "true", "LOG_LEVEL": "", "PATH": "/bin"})
    assert (settings.worker_concurrency, settings.redis_tls, settings.log_level) == (3, True, "info")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WORKER_CONCURRENCY", "0"),
        ("WORKER_CONCURRENCY", "many"),
        ("WORKER_THREADS", "-1"),
        ("LEASE_SECONDS", "0"),
        ("TASK_TTL_SECONDS", "0"),
        ("HEALTH_PORT", "70000"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_cannot_work_is_refused(variable: str, value: str) -> None:
    """Before anything starts, by the name of the variable."""
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        load(StageSettings, {variable: value})


@pytest.mark.parametrize("origin", ["https://a.example/", "https://a.example/page", "a.example", "null"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    """It would never match what a browser sends, and nobody would know why."""
    with pytest.raises(SettingsError, match=r"^CORS_ORIGINS: "):
        load(GatewaySettings, {"CORS_ORIGINS": f"https://b.example, {origin}"})


def test_a_task_may_not_be_gone_before_it_can_end() -> None:
    """A task that waits for longer than its keys live would vanish without a last event."""
    with pytest.raises(SettingsError, match=r"^WAIT_LIMIT_SECONDS: must be less than TASK_TTL_SECONDS$"):
        load(StageSettings, {"TASK_TTL_SECONDS": "60", "WAIT_LIMIT_SECONDS": "60"})


def test_a_choice_names_the_others() -> None:
    """Whoever misspells a choice reads which ones there are."""
    assert choose("X_ENGINE", "b", {"a": 1, "b": 2}) == 2
    with pytest.raises(SettingsError, match=r"^X_ENGINE: there is no 'c'; choose from a, b$"):
        choose("X_ENGINE", "c", {"a": 1, "b": 2})
    for kind, variable in (
        (AsrSettings, "ASR_DEVICE"),
        (TranslateSettings, "TRANSLATE_DEVICE"),
        (NlpSettings, "NLP_DEVICE"),
    ):
        with pytest.raises(SettingsError, match=rf"^{variable}: there is no 'gpu'; choose from cpu, cuda$"):
            load(kind, {variable: "gpu"})


def test_a_switch_says_what_it_may_be() -> None:
    """`PAGE=off` is refused in words of the field, not of the decoder."""
    with pytest.raises(SettingsError, match=r"^PAGE: must be true or false$"):
        load(GatewaySettings, {"PAGE": "off"})


SECRETS = {name: kind for kind in (InsightsSettings, GatewaySettings) for name in sorted(secrets_of(kind))}


def test_what_is_secret() -> None:
    """Whatever opens something may come from a file; a new one has to be marked, or this says so."""
    fields = {name for kind in (GatewaySettings, InsightsSettings) for name in kind.__struct_fields__}
    words = ("password", "secret", "api_key", "access_key", "account_key", "redis_url")
    opening = {name.upper() for name in fields if name.endswith((*words, "access_key_id"))}
    assert SECRETS.keys() == opening


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_may_be_in_a_file(variable: str, tmp_path: Path) -> None:
    """`NAME_FILE` names it; the line may end as lines do, and all else counts, spaces and signs, too."""
    secret = f" {'p@ss/w#rd' * 4} é "
    (tmp_path / "secret").write_bytes(f"{secret}\r\n".encode())
    settings = load(SECRETS[variable], {f"{variable}_FILE": str(tmp_path / "secret")})
    assert getattr(settings, variable.lower()) == secret


@pytest.mark.parametrize(
    ("given", "content", "said"),
    [
        ("", None, "cannot be read: No such file or directory"),
        ("", b"\n", "is empty"),
        ("", b"hush\xff", "is not text in UTF-8"),
        ("hush", b"hush", "REDIS_PASSWORD is given, too; leave one of them out"),
    ],
    ids=["missing", "empty", "binary", "twice"],
)
def test_a_file_without_a_secret_is_refused(given: str, content: bytes | None, said: str, tmp_path: Path) -> None:
    """By the name of its variable and by what is wrong, never with what is in it."""
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(SettingsError, match=r"^REDIS_PASSWORD_FILE: ") as refused:
        load(BaseSettings, {"REDIS_PASSWORD": given, "REDIS_PASSWORD_FILE": str(tmp_path / "file")})
    assert said in refused.value.message
    assert "hush" not in refused.value.message


def test_an_address_in_a_file_is_an_address(tmp_path: Path) -> None:
    """`voxmesh up` starts no Redis of its own then."""
    assert names_redis({"REDIS_URL_FILE": str(tmp_path)})
    assert not names_redis({"REDIS_PASSWORD_FILE": str(tmp_path)})
