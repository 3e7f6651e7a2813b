"""Which settings of the services the chart lets people choose by their own name, and of what kind they are.

`python -m tests.chart.values_schema` writes it into the chart's schema; what is set by other values is left out.
"""

import re
from pathlib import Path
from typing import Any

import msgspec

from services.asr.settings import Settings as Asr
from services.gateway.settings import Settings as Gateway
from services.insights.settings import Settings as Insights
from services.nlp.settings import Settings as Nlp
from services.translate.settings import Settings as Translate
from shared.messages import StageName
from shared.settings import BaseSettings, StageSettings, secrets_of

STAGES: dict[StageName, type[StageSettings]] = {
    StageName.ASR: Asr,
    StageName.TRANSLATE: Translate,
    StageName.NLP: Nlp,
    StageName.INSIGHTS: Insights,
}
SERVICES: dict[str, type[BaseSettings]] = {"gateway": Gateway, **{str(name): kind for name, kind in STAGES.items()}}

_OWN = {
    *("blob_url", "models_dir", "host", "port", "spool_dir", "max_upload_bytes", "shutdown_seconds"),
    *("api_keys", "api_keys_file", "health_port", "worker_concurrency", "drain_seconds"),
}
_SECRETS = frozenset[str]().union(*(secrets_of(kind) for kind in SERVICES.values()))
_WITH_A_VALUE = re.compile("REDIS_.*|AWS_.*|LINK_SECRET|WEBHOOK_SECRET")


def is_own(variable: str) -> bool:
    """Whether other values of the chart stand for the setting: where things are, how many, and whatever is secret."""
    field = variable.lower()
    return (
        field in _OWN
        or variable in _SECRETS
        or field.startswith("redis_")
        or field in {f"{stage}_device" for stage in STAGES}
    )


def variables(kind: type[BaseSettings]) -> set[str]:
    """The environment variables that the settings of `kind` are read from."""
    return {field.name.upper() for field in msgspec.structs.fields(kind)}


def chosen(kind: type[BaseSettings]) -> dict[str, Any]:
    """JSON schemas of the settings that people may choose, by variable."""
    return {
        field.name.upper(): msgspec.json.schema(field.type, schema_hook=_schema)
        for field in sorted(msgspec.structs.fields(kind), key=lambda field: field.name)
        if not is_own(field.name.upper())
    }


def files(kind: type[BaseSettings]) -> set[str]:
    """The secrets that `secretFiles` takes: those for which the chart has no value of their own."""
    return {variable for variable in secrets_of(kind) if not _WITH_A_VALUE.fullmatch(variable)}


def device_of(stage: StageName) -> bool:
    """Whether the stage can be told on what to compute."""
    return f"{stage}_device" in {field.name for field in msgspec.structs.fields(STAGES[stage])}


def _schema(kind: type) -> dict[str, Any]:
    if kind is Path:
        return {"type": "string"}
    raise NotImplementedError(kind)
