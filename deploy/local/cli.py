"""The command `voxmesh`."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from deploy.local import exits
from deploy.local.status.arguments import describe as describe_status
from deploy.local.terminal import forsake
from deploy.local.transcribe.arguments import describe as describe_transcribe
from shared.errors import MeshError, SettingsError
from shared.messages import StageName
from shared.settings import BaseSettings, load

Arguments = argparse.Namespace
Command = Callable[[Arguments, Mapping[str, str]], int]


def main() -> None:
    """Run the command of this process and exit, with a status of `deploy.local.exits`."""
    arguments = _parser().parse_args()
    try:
        status = arguments.command(arguments, os.environ)
        sys.stdout.flush()
        sys.exit(status)
    except BrokenPipeError:  # whoever reads has had enough
        forsake(sys.stdout)
        sys.exit(exits.FAILED)
    except MeshError as error:
        for line in str(error).splitlines():
            print(f"voxmesh: {line}", file=sys.stderr)
        sys.exit(exits.status_of(error))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in {"deploy", "services", "shared"}:
            raise
        print(f"voxmesh: {error.name} is not installed; this command needs voxmesh[local]", file=sys.stderr)
        sys.exit(exits.USAGE)
    except KeyboardInterrupt:
        sys.exit(exits.STOPPED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voxmesh",
        description="Speech turned into text, translation, entities, topics, summary and insights, streamed.",
    )
    parser.add_argument("--version", action="version", version=f"voxmesh {version('voxmesh')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="run the whole mesh on this machine until Ctrl-C")
    up.add_argument("--host", help="address to listen on (HOST, 127.0.0.1)")
    up.add_argument("--port", help="port to listen on, 0 for a free one (PORT, 8000)")
    up.set_defaults(command=_up)

    describe_transcribe(commands.add_parser("transcribe", help="recordings to text, subtitles or JSON"))
    describe_status(commands.add_parser("status", help="show queues, workers, leases and rates of a mesh"))
    _describe_demo(commands.add_parser("demo", help="send a recording through a mesh and print its stream"))
    _describe_services(commands.add_parser)

    models = commands.add_parser("models", help="fetch, list, check or remove models")
    models.add_argument("action", choices=["pull", "list", "verify", "gc"])
    models.add_argument("names", nargs="*", metavar="MODEL", help="by the manifest, or owner/name of a hub")
    models.add_argument("--dry-run", action="store_true", help="with gc: say what would go, and keep it")
    models.set_defaults(command=_models)

    doctor = commands.add_parser("doctor", help="say what is wrong here or with a mesh, and what to do")
    doctor.add_argument(
        "--url", default="", help="look at the gateway there, too (VOXMESH_URL, or the one that runs here)"
    )
    doctor.set_defaults(command=_doctor)
    return parser


def _describe_services(add: Callable[..., argparse.ArgumentParser]) -> None:
    """What containers run, and what their operators need."""
    add("gateway", help="run the gateway alone").set_defaults(command=_gateway)

    worker = add("worker", help="run one worker alone")
    worker.add_argument("stage", choices=[stage.value for stage in StageName])
    worker.set_defaults(command=_worker)

    key = add("key", help="make an API key")
    key.add_argument("name", metavar="NAME", help="whose it is; several keys may have one name")
    key.set_defaults(command=_key)

    health = add("health", help="ask the service on this machine how it is: HEALTH_PORT, else PORT")
    health.add_argument("kind", nargs="?", choices=["live", "ready"], default="live")
    health.add_argument("--url", default="", help="ask the service there instead: http://host:port")
    health.set_defaults(command=_health)

    secret = add("webhook-secret", help="print what receivers check webhooks with")
    secret.add_argument("tenant", nargs="?", default="", metavar="TENANT", help="whose webhooks; none without API keys")
    secret.set_defaults(command=_webhook_secret)


def _describe_demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a recording (the sample)")
    demo.add_argument("--language", default="", help="what is spoken (found out by listening)")
    demo.add_argument("--target", default="", metavar="LANGUAGE", help="what to translate to (DEFAULT_TARGET_LANGUAGE)")
    demo.add_argument("--no-translation", action="store_true", help="leave the translation out")
    demo.add_argument("--no-insights", action="store_true", help="leave the insights out")
    demo.add_argument("--json", action="store_true", help="print each event as a line of JSON")
    demo.add_argument("--url", default="", help="use the mesh that runs there instead of starting one")
    demo.set_defaults(command=_demo)


# The commands import what they need: `voxmesh gateway` becomes another program and should not wait for rich.


def _up(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from deploy.local.terminal import run
    from deploy.local.up import up

    host = arguments.host or environ.get("HOST") or "127.0.0.1"
    port = _port(arguments.port or environ.get("PORT") or "8000")
    return run(up(environ, host=host, port=port), stopped=0)


def _demo(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from deploy.local.demo import Order, demo, sample
    from deploy.local.terminal import run

    if arguments.no_translation and arguments.target:
        raise SettingsError("--target: it asks for a translation, and --no-translation for none; leave out one of them")
    with sample() as recording:
        file = arguments.file or recording
        if not file.is_file():
            raise SettingsError(f"{file}: there is no such file")
        order = Order(
            file=file,
            options={
                "language": arguments.language,
                "target_language": arguments.target,
                "include_translation": not arguments.no_translation,
                "include_insights": not arguments.no_insights,
            },
            as_json=arguments.json,
        )
        return run(demo(order, environ, url=arguments.url), stopped=130)


def _gateway(_: Arguments, environ: Mapping[str, str]) -> int:
    return _become("services.gateway.app", environ)


def _worker(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from deploy.local.malloc import for_worker

    return _become(f"services.{arguments.stage}.worker", for_worker(arguments.stage, environ))


def _models(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from deploy.local.models import discard_models, list_models, pull_models, verify_models

    if arguments.names and arguments.action not in ("pull", "verify"):
        raise SettingsError(f"models {arguments.action}: it takes no names; it is about all models")
    if arguments.dry_run and arguments.action != "gc":
        raise SettingsError(f"models {arguments.action}: --dry-run goes with gc alone")
    folder = load(BaseSettings, environ).models_dir
    match arguments.action:
        case "pull":
            return pull_models(folder, arguments.names, environ)
        case "gc":
            return discard_models(folder, environ, dry_run=arguments.dry_run)
        case "verify":
            return verify_models(folder, arguments.names)
        case _:
            return list_models(folder)


def _key(arguments: Arguments, _: Mapping[str, str]) -> int:
    from deploy.local.key import make_key

    return make_key(arguments.name)


def _health(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from deploy.local.probe import health

    return health(environ, kind=arguments.kind, url=arguments.url)


def _webhook_secret(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from deploy.local.webhook_secret import print_secret

    return print_secret(arguments.tenant, environ)


def _doctor(arguments: Arguments, environ: Mapping[str, str]) -> int:
    from deploy.local.doctor import doctor
    from deploy.local.terminal import run

    return run(doctor(environ, url=arguments.url or environ.get("VOXMESH_URL", "")), stopped=exits.STOPPED)


def _become(module: str, environ: Mapping[str, str]) -> int:
    """This process becomes `module`: whoever sends it a signal reaches the service itself."""
    os.execve(sys.executable, [sys.executable, "-P", "-m", module], dict(environ))  # noqa: S606 (no shell)


def _port(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise SettingsError(f"PORT: it must be a number, not {text!r}") from error


if __name__ == "__main__":
    main()
