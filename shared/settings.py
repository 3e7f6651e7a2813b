"""Settings come from the environment, once, in the entry point, and are passed down as one frozen Struct."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args, get_type_hints

import msgspec

from shared.errors import SettingsError
from shared.inference import processors

S = TypeVar("S", bound="BaseSettings")
T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Device = Literal["cpu", "cuda"]
Secret = Annotated[str, msgspec.Meta(extra={"secret": True})]
"""A setting that may stand in a file instead, which the variable of its name with `_FILE` behind it names."""


class BaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every process of the mesh reads. The environment variable of a field is its name in capitals."""

    redis_url: Secret = "redis://127.0.0.1:6379/0"
    """Where Redis is: `redis://user:password@host:port/db`, or `rediss://` for TLS."""
    redis_host: str = ""
    """Instead of the URL: the host alone, with the fields below. Here a password needs no escapes."""
    redis_port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 6379
    redis_username: str = ""
    redis_password: Secret = ""
    redis_tls: bool = False
    redis_tls_ca_file: Path | None = None
    """Who signs the certificates of Redis and its Sentinels, when the system does not know; with `rediss://`, too."""
    redis_tls_cert_file: Path | None = None
    """Our own certificate, for a Redis and Sentinels that ask for one …"""
    redis_tls_key_file: Path | None = None
    """… and its key, without a passphrase."""
    redis_sentinels: str = ""
    """Instead of URL and host: `host:port,…` of Sentinels, which know where the master is. User, password and TLS above
    are for the master, those below for the Sentinels."""
    redis_sentinel_master: str = "mymaster"
    redis_sentinel_username: str = ""
    redis_sentinel_password: Secret = ""
    redis_sentinel_tls: bool = False
    blob_url: str = "file:///var/lib/voxmesh/blobs"
    """Where recordings lie: a folder that all services share, or `s3://bucket/prefix`, `gs://…`, `az://…`."""
    aws_access_key_id: Secret = ""
    """Who asks a bucket of S3, …"""
    aws_secret_access_key: Secret = ""
    """… and how it proves that. Without both the identity of the machine is asked for."""
    azure_storage_account_key: Secret = ""
    """The same for Azure."""
    google_service_account_key: Secret = ""
    """The same for Google: the JSON of a service account."""
    models_dir: Path = Path("~/.cache/voxmesh/models")
    """Where `voxmesh models pull` puts the models."""
    log_format: Literal["console", "json"] = "console"
    """`console` for people, `json` for a log store."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`: what is less is not told."""
    task_ttl_seconds: Count = 86_400
    """How long a task, its events and its result stay in Redis after the last sign of life."""
    wait_limit_seconds: Count = 21_600
    """A task that no worker has touched for this long ends as `expired`."""
    max_audio_seconds: Seconds = 21_600.0
    """The longest recording that is taken: six hours. The gateway counts what is in the file, the asr worker what it
    decodes."""
    default_target_language: str = "pt"
    """Where to translate to when the client does not say."""

    def __post_init__(self) -> None:
        if self.wait_limit_seconds >= self.task_ttl_seconds:  # the task would be gone before anybody could end it
            raise ValueError("WAIT_LIMIT_SECONDS: must be less than TASK_TTL_SECONDS")
        if (self.redis_tls_cert_file is None) != (self.redis_tls_key_file is None):
            raise ValueError("REDIS_TLS_CERT_FILE: needs REDIS_TLS_KEY_FILE, and the other way round")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"  # there are passwords in it, and logs last


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """The settings of type `kind` from `environ`. Raises `SettingsError` naming the variable and what it must be."""
    values: dict[str, str] = {}
    secret = secrets_of(kind)
    for field in msgspec.structs.fields(kind):
        variable = field.name.upper()
        value = secret_of(environ, variable) if variable in secret else environ.get(variable)
        if value:
            values[field.name] = value
    try:
        return msgspec.convert(values, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        reason = reason.replace("Expected `bool`, got `str`", "must be true or false")
        if not place:  # about how settings go together
            raise SettingsError(reason) from error
        name = place.rstrip("`")
        if reason.startswith("Invalid enum value"):
            choices = next(get_args(field.type) for field in msgspec.structs.fields(kind) if field.name == name)
            reason = f"there is no {values[name]!r}; choose from {', '.join(choices)}"
        raise SettingsError(f"{name.upper()}: {reason[0].lower()}{reason[1:]}") from error


def secrets_of(kind: type[BaseSettings]) -> frozenset[str]:
    """The variables of the secrets among the settings of `kind`."""
    hints = get_type_hints(kind, include_extras=True)
    return frozenset(name.upper() for name in kind.__struct_fields__ if hints[name] == Secret)


def secret_of(environ: Mapping[str, str], variable: str) -> str:
    """The secret in `variable`, or in the file that `variable` with `_FILE` behind it names, there without the end of
    its last line; empty when neither is given. What a file holds is in nobody's environment, so no other process
    inherits it. Raises `SettingsError`, which never has the secret in it."""
    value, name = environ.get(variable, ""), f"{variable}_FILE"
    if not (file := environ.get(name)):
        return value
    if value:
        raise SettingsError(f"{name}: {variable} is given, too; leave one of them out")
    try:
        found = Path(file).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{name}: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: {file} is not text in UTF-8") from None  # the cause quotes what it could not read
    if not found:
        raise SettingsError(f"{name}: {file} is empty")
    return found


REDIS_VARIABLES = tuple(
    name.upper() + end
    for name in BaseSettings.__struct_fields__
    if name.startswith("redis_")
    for end in ("", "_FILE")
    if not end or name.upper() in secrets_of(BaseSettings)
)
"""What says where Redis is, and how to get in."""


def names_redis(environ: Mapping[str, str]) -> bool:
    """Whether the environment says where a Redis is."""
    return any(environ.get(name) for name in ("REDIS_URL", "REDIS_URL_FILE", "REDIS_HOST", "REDIS_SENTINELS"))


def choose(variable: str, name: str, choices: Mapping[str, T]) -> T:
    """What `name`, the value of `variable`, stands for. Raises `SettingsError` naming the variable and the choices."""
    if name not in choices:
        raise SettingsError(f"{variable}: there is no {name!r}; choose from {', '.join(choices)}")
    return choices[name]


def _decode(kind: type[object], value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise NotImplementedError(kind)


class StageSettings(BaseSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every stage worker reads besides; each service adds its own, prefixed with the stage's name."""

    worker_concurrency: Count = 8
    """Tasks a worker has in hand at a time. They share one engine thread, so this hides waiting, not computing."""
    worker_threads: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Threads of the engine; 0 takes the processors that the container may use, and in nlp half of them."""
    lease_seconds: Seconds = 10.0
    """How long a silent worker keeps its job. Renewed every quarter; another worker continues once it has lapsed."""
    max_attempts: Count = 3
    """After this many attempts that died, the input is held to be the cause and the task fails."""
    drain_seconds: Annotated[float, msgspec.Meta(ge=0)] = 8.0
    """How long a worker that was told to stop finishes what it has in hand before it hands it back."""
    recycle_after_jobs: Annotated[int, msgspec.Meta(ge=0)] = 0
    """After so many jobs, or up to a quarter more, a worker ends as if it had been told to stop, with exit status 0,
    and whoever keeps it running starts a new one: a backstop against libraries whose memory grows. 0: never."""
    run_limit_factor: Annotated[float, msgspec.Meta(gt=0)] = 20.0
    """A stage may run this many times the length of the audio, waiting not counted …"""
    run_limit_seconds: Seconds = 600.0
    """… and at least this long; then the task fails with `run_timeout`."""
    stuck_seconds: Seconds = 60.0
    """An engine that still computes this long after its task was ended is stuck: the worker exits with status 4."""
    health_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    """Port of the worker's /health and /metrics; 0 takes none."""

    @property
    def threads(self) -> int:
        """How many threads a model may use."""
        return self.worker_threads or processors.available()
