"""`values.schema.json`, made from `values.yaml`: `python -m tests.chart.values_schema` writes it, and the README.

Each block is closed: a key that is not in `values.yaml` is refused by name, and each value has the type of its default.
What a default cannot tell, choices and forms, stands in `RULES`, which values need others in `NEEDS`, and what
Kubernetes alone understands in `OPEN`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from shared.messages import StageName
from shared.models.manifest import MODELS
from shared.settings import BaseSettings, StageSettings
from tests.chart import options, values_table

CHART = Path(__file__).parents[2] / "deploy/k8s/voxmesh"
FILE = CHART / "values.schema.json"
Schema = dict[str, Any]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = {"pattern": rf"^$|^{_LABEL}(\.{_LABEL})*$"}
_QUANTITY = {"pattern": "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$"}
_PORT = {"minimum": 1, "maximum": 65535}
_ACCESS = {"enum": ["ReadWriteOnce", "ReadWriteMany"]}  # of one pod alone, no other could start
_ONE = {"minimum": 1}
_PERCENT = {"minimum": 0, "maximum": 100}
_HOST = {"pattern": "^[^:/@\\s]*$"}
_PART = "[A-Za-z0-9][A-Za-z0-9_.-]*"
_MANIFEST = "|".join(name for name, model in MODELS.items() if not model.distribution)
MODEL = f"^({_MANIFEST}|{_PART}/{_PART}(@[A-Za-z0-9_.-]+)?)$"
"""What `voxmesh models pull` takes: a name of the manifest, or `owner/name[@revision]` of a hub."""
_KEY = {"pattern": "^[-._a-zA-Z0-9]+$"}

RULES: Mapping[str, Schema] = {
    "nameOverride": _NAME | {"maxLength": 40},
    "fullnameOverride": _NAME | {"maxLength": 53},
    "environment": {"pattern": f"^{_LABEL}$", "maxLength": 40},
    "image.repository": {"minLength": 1},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "*.image.digest": {"pattern": "^$|^sha256:[0-9a-f]{64}$"},
    "*.tag": {"pattern": "^$|^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"},
    "*.existingSecret": _NAME,
    "*.caSecret": _NAME,
    "*.clientSecret": _NAME,
    "*.existingClaim": _NAME,
    "*.storageClassName": _NAME,
    "*Key": _KEY,
    "*.key": _KEY,
    "*.accessMode": _ACCESS,
    "*.size": _QUANTITY,
    "*Size": _QUANTITY,
    "*.port": _PORT,
    "*.host": _HOST,
    "redis.mode": {"enum": ["bundled", "external", "sentinel"]},
    "redis.bundled.image": {"minLength": 1},
    "redis.bundled.maxmemoryBytes": {"minimum": 33554432},
    "redis.bundled.cpu": {"pattern": "^[0-9]+m?$"},
    "blobStore.type": {"enum": ["volume", "url"]},
    "blobStore.url": {"pattern": "^$|^(s3|gs|az)://[^\\s@]+$"},
    "blobStore.s3.endpoint": {"pattern": "^$|^https?://[^\\s@]+$"},
    "modelCache.type": {"enum": ["emptyDir", "pvc", "existingClaim", "image"]},
    "modelCache.path": {"pattern": "^/[^\\s]+$"},
    "gateway.replicas": _ONE,
    "gateway.maxUploadBytes": {"minimum": 1048576},
    "gateway.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "gateway.autoscaling.minReplicas": _ONE,
    "*.autoscaling.maxReplicas": _ONE,
    "*.autoscaling.type": {"enum": ["none", "hpa", "keda"]},
    "*.autoscaling.openStreams": _ONE,
    "*.autoscaling.jobsPerReplica": _ONE,
    "*.autoscaling.pollingSeconds": _ONE,
    "*.autoscaling.scaleDownSeconds": {"maximum": 3600},
    "*.autoscaling.cpu": _PERCENT,
    "stageDefaults.autoscaling.cpu": _PERCENT | _ONE,
    "gateway.autoscaling.prometheusAddress": {"pattern": "^$|^https?://[^\\s]+$"},
    "gateway.preStopSeconds": _ONE,
    "*.probes.*": _ONE,
    "*.concurrency": {"minimum": 1, "maximum": 1000},
    "*.drainSeconds": {"type": "number"},
    "*.gpu.count": _ONE,
    "*.gpu.resourceName": {"pattern": "^[^/\\s]+/[^/\\s]+$"},
    "*.device": {"enum": ["cpu", "cuda"]},
    "*.maxUnavailable": _ONE,
    "monitoring.monitors.interval": {"pattern": "^[0-9]+(ms|s|m|h)$"},
    "monitoring.alerts.runbookUrl": {"pattern": "[^/]$"},
    "monitoring.alerts.*Seconds": _ONE,
    "monitoring.alerts.*Percent": _PERCENT | _ONE,
    "tracing.endpoint": {"pattern": "^$|^https?://[^\\s@]+$"},
    "tracing.ratio": {"type": "number", "maximum": 1},
    "networkPolicy.*Namespace": {"pattern": f"^{_LABEL}$"},
}
"""By path, `*` for anything; the last that fits an exact path wins over those with stars."""

_QUANTITIES = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number"], "pattern": "^[0-9]+(\\.[0-9]+)?[A-Za-z]*$"},
}
_VARIABLE: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "value": {"type": "string"},
        "valueFrom": {"type": "object"},
    },
    "required": ["name"],
    "additionalProperties": False,
}
_VOLUME: Schema = {"type": "object", "properties": {"name": {"type": "string", "minLength": 1}}, "required": ["name"]}
_MOUNT: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "mountPath": {"type": "string", "pattern": "^/[^\\s]*$"},
    },
    "required": ["name", "mountPath"],
}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_STRINGS = {"type": "array", "items": {"type": "string", "minLength": 1}}
_OBJECTS = {"type": "array", "items": {"type": "object"}}

OPEN: Mapping[str, Schema] = {
    "annotations": _TEXTS,
    "podAnnotations": _TEXTS,
    "labels": _TEXTS,
    "nodeSelector": _TEXTS,
    "affinity": {"type": "object"},
    "tolerations": _OBJECTS,
    "tls": _OBJECTS,
    "parentRefs": _OBJECTS,
    "extraEgress": _OBJECTS,
    "extraObjects": _OBJECTS,
    "extraEnv": {"type": "array", "items": _VARIABLE},
    "extraVolumes": {"type": "array", "items": _VOLUME},
    "extraVolumeMounts": {"type": "array", "items": _MOUNT},
    "models": {"type": "array", "items": {"type": "string", "pattern": MODEL}},
    "hosts": {"type": "array", "items": {"type": "string", "pattern": "^[^:/@\\s]+$"}},
    "addresses": {"type": "array", "items": {"type": "string", "pattern": "^[^:/@\\s]+:[0-9]{1,5}$"}},
    "resources": {
        "type": "object",
        "properties": {"requests": _QUANTITIES, "limits": _QUANTITIES, "claims": _OBJECTS},
        "additionalProperties": False,
    },
}
"""By the name of the key, wherever it is, when its default is a list or a free map."""

NEEDS = (
    ("redis", "mode", "external", "host"),
    ("redis", "mode", "sentinel", "sentinel.addresses"),
    ("blobStore", "type", "url", "url"),
    ("modelCache", "type", "existingClaim", "existingClaim"),
    ("gateway.autoscaling", "type", "keda", "prometheusAddress"),
    ("gateway.ingress", "enabled", True, "hosts"),
    ("gateway.httpRoute", "enabled", True, "parentRefs"),
)
"""In a block: the key that, with this value, needs another one, which must not be empty then."""

OF_ANY_POD = ("podAnnotations", "priorityClassName", "nodeSelector", "tolerations", "affinity")
"""What of `podDefaults` the bundled Redis takes."""


def build() -> Schema:
    """The whole schema."""
    values = cast("dict[str, Any]", yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))
    stages = values.pop("stages")
    schema = _block(values, "")
    properties = schema["properties"]
    properties["config"] = _settings(BaseSettings)
    pods = _optional(properties["podDefaults"])["properties"]
    for block, kind in (("gateway", options.SERVICES["gateway"]), ("stageDefaults", StageSettings)):
        properties[block]["properties"] |= pods | _of_service(kind)
    properties["redis"]["properties"]["bundled"]["properties"] |= {name: pods[name] for name in OF_ANY_POD}
    defaults = _optional(properties["stageDefaults"])
    properties["stages"] = {
        "type": "object",
        "properties": {name: _stage(StageName(name), defaults) for name in stages},
        "additionalProperties": False,
    }
    for block, key, value, needed in NEEDS:
        _need(_at(schema, block), key, value, needed)
    properties["global"] = {"type": "object"}  # a chart around this one has it
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "voxmesh", **schema}


def _at(schema: Schema, path: str) -> Schema:
    for key in path.split("."):
        schema = schema["properties"][key]
    return schema


def _need(block: Schema, key: str, value: object, needed: str) -> None:
    full: Schema = {"minItems": 1} if _at(block, needed)["type"] == "array" else {"minLength": 1}
    for part in reversed(needed.split(".")):
        full = {"properties": {part: full}}
    block.setdefault("allOf", []).append({"if": {"properties": {key: {"const": value}}}, "then": full})


def _stage(name: StageName, defaults: Schema) -> Schema:
    own = _of_service(options.STAGES[name])
    if options.device_of(name):
        own["device"] = _leaf("cpu", "stages.device")
    return defaults | {"properties": defaults["properties"] | own}


def _of_service(kind: type[BaseSettings]) -> Schema:
    return {"config": _settings(kind), "secretFiles": _secret_files(kind)}


def _settings(kind: type[BaseSettings]) -> Schema:
    return {"type": "object", "properties": options.chosen(kind), "additionalProperties": False}


def _secret_files(kind: type[BaseSettings]) -> Schema:
    place = {"name": {"type": "string", "minLength": 1} | _NAME, "key": {"type": "string"} | _KEY}
    closed = {"type": "object", "properties": place, "required": ["name", "key"], "additionalProperties": False}
    properties = dict.fromkeys(sorted(options.files(kind)), closed)
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _block(values: Mapping[str, Any], path: str) -> Schema:
    properties: Schema = {}
    for key, value in values.items():
        place = f"{path}.{key}" if path else key
        free = not value or not isinstance(value, dict) or key in {"resources", "labels", "nodeSelector"}
        if key in OPEN and isinstance(value, dict | list) and free:
            properties[key] = OPEN[key]
        elif isinstance(value, dict):
            properties[key] = _block(cast("dict[str, Any]", value), place)
        else:
            properties[key] = _leaf(cast("object", value), place)
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _leaf(value: object, path: str) -> Schema:
    match value:
        case bool():
            schema: Schema = {"type": "boolean"}
        case int():
            schema = {"type": "integer", "minimum": 0}
        case list():
            schema = _STRINGS
        case _:
            schema = {"type": "string"}
    for pattern, rule in RULES.items():
        if _fits(path, pattern):
            schema = schema | rule
    return schema


def _fits(path: str, pattern: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return path == pattern
    if tail.endswith("*"):
        return tail[:-1] in path
    return path.startswith(head) and path.endswith(tail) and len(path) > len(head) + len(tail)


def _optional(schema: Schema) -> Schema:
    """The same, with nothing required: what a block leaves out is in the defaults."""
    return {
        key: {name: _optional(cast("Schema", inner)) for name, inner in value.items()} if key == "properties" else value
        for key, value in schema.items()
        if key != "required" or "items" in schema
    }


def text() -> str:
    """The file's contents."""
    return json.dumps(build(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    values_table.README.write_text(values_table.text(), encoding="utf-8")
