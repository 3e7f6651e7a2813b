"""The form of a manifest: what is built into Kubernetes by its own schemas, what operators add by those below.

The schemas below are closed, and name only what the chart may use of KEDA, the Gateway API and the Prometheus operator.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import jsonschema_rs

from tests.chart import tools
from tests.chart.helm import Manifest

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "integer", "minimum": 0}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
SELECTOR: Schema = {"type": "object", "properties": {"matchLabels": TEXTS}, "additionalProperties": False}


def _closed(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def _some(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


# A trigger's metadata is a free map to the API server: a misspelt key would pass it and mean nothing. Values are text.
_REDIS = {"databaseIndex": TEXT, "enableTLS": {"enum": ["true", "false"]}, "username": TEXT}
_QUEUE = {"listName": {"pattern": "^arq:queue:[a-z]+$"}, "listLength": {"pattern": "^[1-9][0-9]*$"}}
_WAKE = {"activationListLength": {"pattern": "^[0-9]+$"}}
_TRIGGER_METADATA: Mapping[str, Schema] = {
    "redis": _closed({"address": {"pattern": "^[^/]+:[0-9]+$"}, **_QUEUE}, **_REDIS, **_WAKE),
    "redis-sentinel": _closed(
        {"addresses": TEXT, "sentinelMaster": TEXT, **_QUEUE}, sentinelUsername=TEXT, **_REDIS, **_WAKE
    ),
    "prometheus": _closed({"serverAddress": TEXT, "query": TEXT, "threshold": TEXT}),
    "cpu": _closed({"value": TEXT}),
}
_TRIGGER: Schema = {
    "oneOf": [
        _closed(
            {"type": {"const": kind}, "metadata": metadata},
            metricType={"enum": ["AverageValue", "Utilization"]},
            authenticationRef=_closed({"name": TEXT}),
        )
        for kind, metadata in _TRIGGER_METADATA.items()
    ]
}
_SECRET: Schema = _closed(
    {"parameter": {"enum": ["password", "sentinelPassword", "ca", "cert", "key"]}, "name": TEXT, "key": TEXT},
)
_BEHAVIOUR: Schema = {"$ref": "#/$defs/io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerBehavior"}

CUSTOM: Mapping[tuple[str, str], Schema] = {
    ("keda.sh/v1alpha1", "ScaledObject"): _closed(
        {
            "scaleTargetRef": _closed({"name": TEXT}),
            "minReplicaCount": NUMBER,
            "maxReplicaCount": NUMBER,
            "triggers": _some(_TRIGGER),
        },
        pollingInterval=NUMBER,
        cooldownPeriod=NUMBER,
        fallback=_closed({"failureThreshold": NUMBER, "replicas": NUMBER}),
        advanced=_closed({"horizontalPodAutoscalerConfig": _closed({"behavior": _BEHAVIOUR})}),
    ),
    ("keda.sh/v1alpha1", "TriggerAuthentication"): _closed({"secretTargetRef": _some(_SECRET)}),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _closed(
        {
            "parentRefs": _some(
                _closed({"name": TEXT}, namespace=TEXT, sectionName=TEXT, port=NUMBER, kind=TEXT, group=TEXT)
            ),
            "rules": _some(
                _closed(
                    {"backendRefs": _some(_closed({"name": TEXT, "port": NUMBER}))},
                    matches=_some(_closed({"path": _closed({"type": TEXT, "value": TEXT})})),
                    timeouts=_closed({"request": {"pattern": "^[0-9]+(ms|s|m|h)$"}}, backendRequest=TEXT),
                )
            ),
        },
        hostnames=_some(TEXT),
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): _closed(
        {"selector": SELECTOR, "podMetricsEndpoints": _some({"type": "object"})},
        podTargetLabels=_some(TEXT),
        namespaceSelector={"type": "object"},
        jobLabel=TEXT,
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _closed(
        {"selector": SELECTOR, "endpoints": _some({"type": "object"})},
        targetLabels=_some(TEXT),
        namespaceSelector={"type": "object"},
        jobLabel=TEXT,
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _closed(
        {"groups": _some({"type": "object", "required": ["name", "rules"]})}
    ),
}
"""The `spec` of each kind that an operator adds."""


@functools.cache
def _built_in(kubernetes: str) -> tuple[Schema, Mapping[tuple[str, str], str]]:
    """The definitions, and what each kind's is called."""
    schemas = cast("Schema", json.loads(tools.definitions(kubernetes).read_text(encoding="utf-8"))["$defs"])
    names: dict[tuple[str, str], str] = {}
    for name, schema in schemas.items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            names[f"{kind['group']}/{kind['version']}".lstrip("/"), kind["kind"]] = name
    return schemas, names


@functools.cache
def _validator(kubernetes: str, version: str, kind: str) -> Any:
    schemas, names = _built_in(kubernetes)
    if (version, kind) in CUSTOM:
        whole = _closed(
            {
                "apiVersion": TEXT,
                "kind": TEXT,
                "metadata": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
                "spec": CUSTOM[version, kind],
            }
        )
    elif (version, kind) in names:
        whole = {"$ref": f"#/$defs/{names[version, kind]}"}
    else:
        return None
    return jsonschema_rs.Draft202012Validator({"$defs": schemas, **whole})


def faults(manifest: Manifest, kubernetes: str) -> Iterator[str]:
    """What is wrong with the form of one manifest."""
    validator = _validator(kubernetes, manifest["apiVersion"], manifest["kind"])
    if validator is None:
        yield f"Kubernetes {kubernetes} has no {manifest['apiVersion']} {manifest['kind']}"
        return
    for error in validator.iter_errors(manifest):
        place = ".".join(str(part) for part in error.instance_path)
        yield f"{place}: {error.message[:200]}"
