"""The command line of `voxmesh transcribe`. Everything that can be wrong with it is said before anything is sent."""

import argparse
from collections.abc import Mapping
from pathlib import Path

DESCRIPTION = """Transcribe recordings. The text goes to standard output, or files to the folder -o; what happens
meanwhile is shown on standard error. Without --url (or VOXMESH_URL) the mesh of `voxmesh up` on this machine is used,
and where none runs, one is started for the time of the command. VOXMESH_KEY is the API key."""
EPILOG = """exit status: 0 all is done; 1 a recording failed; 2 usage or settings; 3 no gateway answers, or models are
missing; 130 stopped by Ctrl-C, the tasks are cancelled"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes. Option names of OpenAI's `whisper` are understood, too."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("files", nargs="*", metavar="FILE", help="a recording, a glob in quotes, a URL, or - for stdin")
    parser.add_argument(
        "--resume",
        dest="tasks",
        action="append",
        default=[],
        metavar="ID",
        help="go on with a task that is there, instead of sending a recording",
    )
    parser.add_argument(
        *("-f", "--format", "--output_format"),
        dest="formats",
        action="append",
        default=[],
        metavar="FORMAT,…",
        help="what to write: txt (default), json, srt, vtt, tsv or all",
    )
    parser.add_argument(
        *("-o", "--output-dir", "--output_dir"),
        dest="folder",
        type=Path,
        metavar="DIR",
        help="write files there, named after the recordings; those of an earlier run are replaced",
    )
    parser.add_argument("--language", default="", metavar="L", help="what is spoken (found out by listening)")
    parser.add_argument("--translate", default="", metavar="L", help="translate the text to this language, too")
    parser.add_argument("--insights", action="store_true", help="gather insights; they stand in the json")
    parser.add_argument(
        *("--initial-prompt", "--initial_prompt"),
        dest="initial_prompt",
        default="",
        metavar="TEXT",
        help="context for the recogniser: names, spelling, style",
    )
    parser.add_argument("--redact", default="", metavar="KIND,…", help="mask person, email, phone, … in everything")
    _describe_way(parser)
    parser.set_defaults(command=_run)


def _describe_way(parser: argparse.ArgumentParser) -> None:
    """Where and how it is done."""
    parser.add_argument("-j", "--jobs", type=int, default=4, metavar="N", help="recordings at a time (4)")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but what goes wrong")
    parser.add_argument("--url", default="", help="the gateway to use: http://host:8000 (VOXMESH_URL)")
    parser.add_argument(
        "--patience", type=float, default=60.0, metavar="SECONDS", help="how long to live through an outage (60)"
    )


def _run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from deploy.local import exits
    from deploy.local.terminal import run
    from deploy.local.transcribe.inputs import gather
    from deploy.local.transcribe.order import order_of
    from deploy.local.transcribe.session import transcribe

    order = order_of(arguments, gather(arguments.files, arguments.tasks))
    return run(transcribe(order, environ, url=arguments.url or environ.get("VOXMESH_URL", "")), stopped=exits.STOPPED)
