"""Values that cannot be meant are refused before anything reaches a cluster, with a message that names the key."""

import re
from pathlib import Path

import pytest

from tests.chart import helm

EXTERNAL = "redis: {mode: external, host: redis.example.com"
BAD = {
    # a key that there is not, wherever it may be
    "gateway.replica": "gateway: {replica: 3}",
    "colour": "colour: blue",
    "stages.asr.autoscaling.maxPods": "stages: {asr: {autoscaling: {maxPods: 3}}}",
    "stages.diarise": "stages: {diarise: {}}",
    "stages.insights.device": "stages: {insights: {device: cuda}}",
    # a value of another kind
    "gateway.replicas": "gateway: {replicas: two}",
    "image.tag": "image: {tag: 1.20}",
    "stageDefaults.enabled": 'stageDefaults: {enabled: "no"}',
    "gateway.ingress.hosts": "gateway: {ingress: {hosts: speech.example.com}}",
    "stageDefaults.gpu": "stageDefaults: {gpu: null}",
    # a value that does not exist
    "redis.mode": "redis: {mode: cluster}",
    "blobStore.type": "blobStore: {type: nfs}",
    "modelCache.type": "modelCache: {type: hostPath}",
    "stages.translate.autoscaling.type": "stages: {translate: {autoscaling: {type: vpa}}}",
    "stages.asr.device": "stages: {asr: {device: tpu}}",
    "stages.asr.models.0": "stages: {asr: {models: [whisper-huge]}}",
    "stages.nlp.models.0": "stages: {nlp: {models: [owner/name@]}}",
    "image.pullPolicy": "image: {pullPolicy: Sometimes}",
    # a form that is not right
    "environment": "environment: Our Staging",
    "redis.host": "redis: {mode: external, host: 'redis://redis.example.com'}",
    "redis.sentinel.addresses.0": "redis: {mode: sentinel, sentinel: {addresses: [sentinel-0]}}",
    "redis.port": EXTERNAL + ", port: 70000}",
    "blobStore.url": "blobStore: {type: url, url: /mnt/recordings}",
    "blobStore.volume.size": "blobStore: {volume: {size: ten gigabytes}}",
    "blobStore.volume.accessMode": "blobStore: {volume: {accessMode: ReadWriteOncePod}}",
    "stages.asr.image.digest": "stages: {asr: {image: {digest: latest}}}",
    "stages.asr.gpu.resourceName": "stages: {asr: {gpu: {resourceName: gpu}}}",
    "gateway.maxUploadBytes": "gateway: {maxUploadBytes: 0}",
    "stages.asr.concurrency": "stages: {asr: {concurrency: 0}}",
    "gateway.apiKeys.existingSecret": "gateway: {apiKeys: {existingSecret: 'alice:0123'}}",
    "podDefaults.probes.timeoutSeconds": "podDefaults: {probes: {timeoutSeconds: 0}}",
    "stages.nlp.probes.startupFailures": "stages: {nlp: {probes: {startupFailures: 0}}}",
    "redis.bundled.spreadOver": "redis: {bundled: {spreadOver: []}}",
    # settings of the services
    "tracing.endpoint": "tracing: {endpoint: 'collector:4317'}",
    "tracing.ratio": "tracing: {ratio: 10}",
    "config.LOG_FORMT": "config: {LOG_FORMT: json}",
    "config.LOG_FORMAT": "config: {LOG_FORMAT: xml}",
    "config.REDIS_URL": "config: {REDIS_URL: 'redis://:secret@redis.example.com'}",
    "gateway.config.MAX_UPLOAD_BYTES": "gateway: {config: {MAX_UPLOAD_BYTES: 5}}",
    "gateway.config.ASR_MODEL": "gateway: {config: {ASR_MODEL: whisper-base}}",
    "gateway.config.PING_SECONDS": "gateway: {config: {PING_SECONDS: often}}",
    "stages.asr.config.ASR_BEAM_SIZE": "stages: {asr: {config: {ASR_BEAM_SIZE: 0}}}",
    "config.WAIT_LIMIT_SECONDS": "config: {WAIT_LIMIT_SECONDS: 100, TASK_TTL_SECONDS: 100}",
    # values that do not go together
    "redis.host ": "redis: {mode: external}",
    "redis.sentinel.addresses": "redis: {mode: sentinel}",
    "redis.existingSecret": EXTERNAL + ", username: mesh}",
    "redis.mode: the bundled": "redis: {tls: {enabled: true}}",
    "redis.tls.enabled": EXTERNAL + ", tls: {clientSecret: mine}}",
    "redis.mode: the bundled Redis": "redis: {username: mesh}",
    "blobStore.url ": "blobStore: {type: url}",
    "blobStore.type: there is": "blobStore: {url: 's3://recordings'}",
    "stages.asr.models: config.ASR_MODEL": "stages: {asr: {config: {ASR_MODEL: owner/name}}}",
    "stages.translate.models": "stages: {translate: {config: {TRANSLATE_MODELS: '/m/a,en-de=b/c@01'}, models: [b/c]}}",
    "modelCache.existingClaim": "modelCache: {type: existingClaim}",
    "gateway.autoscaling.minReplicas": "gateway: {autoscaling: {type: hpa, minReplicas: 11}}",
    "gateway.autoscaling.minReplicas ": "gateway: {autoscaling: {type: hpa, minReplicas: 0}}",
    "gateway.autoscaling.prometheusAddress": "gateway: {autoscaling: {type: keda}}",
    "gateway.autoscaling.cpu": "gateway: {autoscaling: {type: hpa, cpu: 0}}",
    "gateway.resources.requests.cpu": "gateway: {autoscaling: {type: hpa}, resources: {requests: {cpu: null}}}",
    "gateway.terminationGracePeriodSeconds": "gateway: {terminationGracePeriodSeconds: 15}",
    "gateway.ingress.hosts ": "gateway: {ingress: {enabled: true}}",
    "gateway.httpRoute.parentRefs": "gateway: {httpRoute: {enabled: true}}",
    "stages.nlp.resources.requests.cpu": "stages: {nlp: {autoscaling: {type: hpa, minReplicas: 1}, "
    "resources: {requests: {cpu: null}}}}",
    "stages.asr.autoscaling.minReplicas": "stages: {asr: {autoscaling: {type: keda, minReplicas: 5}}}",
    "stages.nlp.autoscaling.minReplicas": "stages: {nlp: {autoscaling: {type: hpa, minReplicas: 0}}}",
    "stages.nlp.autoscaling.fallbackReplicas": "stages: {nlp: {autoscaling: {type: keda, fallbackReplicas: 9}}}",
    "stages.asr.gpu.enabled": "stages: {asr: {device: cuda}}",
    "stages.asr.device: gpu": "stages: {asr: {gpu: {enabled: true}}}",
    "stages.asr.nodeSelector": "{gateway: {nodeSelector: {pool: a}}, stages: {asr: {nodeSelector: {pool: b}}}}",
    "stages.nlp.nodeSelector": "{modelCache: {type: pvc, accessMode: ReadWriteOnce}, stages: {nlp: {nodeSelector: "
    "{kubernetes.io/arch: arm64}}}}",
    # variables
    "modelCache.extraEnv: MODELS_DIR": "modelCache: {extraEnv: [{name: MODELS_DIR, value: /elsewhere}]}",
    "extraEnv: HTTPS_PROXY by valueFrom": "extraEnv: [{name: HTTPS_PROXY, valueFrom: {secretKeyRef: {name: a}}}]",
    "extraEnv: REDIS_HOST": "extraEnv: [{name: REDIS_HOST, value: elsewhere}]",
    "stages.asr.extraEnv: HF_TOKEN": "stages: {asr: {extraEnv: [{name: HF_TOKEN, value: hf_0123}]}}",
    "stages.asr.extraEnv: AWS_REGION": "{blobStore: {type: url, url: 's3://r', s3: {region: a}}, stages: "
    "{asr: {extraEnv: [{name: AWS_REGION, value: b}]}}}",
    "stages.insights.extraEnv: LLM_BASE_URL by valueFrom": "stages: {insights: {extraEnv: [{name: LLM_BASE_URL, "
    "valueFrom: {configMapKeyRef: {name: llm, key: url}}}]}}",
    "gateway.extraVolumes: there is a volume tmp": "gateway: {extraVolumes: [{name: tmp, emptyDir: {}}]}",
    "stages.nlp.extraVolumeMounts: no extraVolumes": "stages: {nlp: {extraVolumeMounts: [{name: ca, mountPath: /ca}]}}",
    "extraVolumeMounts.0": "{extraVolumes: [{name: ca, emptyDir: {}}], extraVolumeMounts: [{name: ca, mountPath: ca}]}",
    "stages.insights.secretFiles.LLM_API_KEE": "stages: {insights: {secretFiles: {LLM_API_KEE: {name: a, key: b}}}}",
    "gateway.extraEnv: LINK_SECRET is set": "gateway: {linkSecret: {existingSecret: a}, extraEnv: [{name: LINK_SECRET, "
    "valueFrom: {secretKeyRef: {name: b, key: c}}}]}",
    "modelCache.extraEnv.0": "modelCache: {extraEnv: [{name: PIP_INDEX_URL, valu: x}]}",
    "gateway.extraEnv.0": "gateway: {extraEnv: [{value: x}]}",
}
"""What the message has to say, and the values that it is about."""


OLDER = [*BAD][::7]
"""Enough for the older helm, which words each kind of refusal in its own way."""


def _normalised(message: str) -> str:
    """Helm 4 writes paths with slashes and Helm 3 with dots; both tell a key and the block that it is in apart."""
    message = re.sub(r"at '/([^']*)'", lambda found: found[1].replace("/", "."), message)
    message = re.sub(r"at ''", "(root)", message)
    message = re.sub(r"- (\S+): (?:additional properties|missing property) '(\S+)'", r"- \1.\2:", message)
    message = re.sub(r"- (\S+): Additional property (\S+)", r"- \1.\2:", message)
    return message.replace("(root).", "")


@pytest.mark.parametrize(
    ("version", "named"), [*(("4.1.4", named) for named in BAD), *(("3.17.3", named) for named in OLDER)]
)
def test_bad_values_are_refused_by_name(version: str, named: str, tmp_path: Path) -> None:
    """Helm renders nothing, and says which key is at fault."""
    (tmp_path / "bad.yaml").write_text(BAD[named], encoding="utf-8")
    with pytest.raises(helm.Refused) as refusal:
        helm.run("template", "demo", ".", "-f", str(tmp_path / "bad.yaml"), version=version)
    assert re.search(rf"(^|[\s-]){re.escape(named.strip())}\b", _normalised(str(refusal.value))), str(refusal.value)
