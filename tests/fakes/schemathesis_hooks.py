"""What schemathesis needs to know to be understood by a gateway: recordings, languages, tasks that exist.

`VOXMESH_TASKS` has the ids of tasks that have ended, separated by commas.
"""

import os
from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.fakes.form import wav

TASKS = os.environ.get("VOXMESH_TASKS", "").split(",")
LANGUAGES = st.sampled_from(["en", "en-US", "english", "PT_br", "日本語", ""])

schemathesis.openapi.format("binary", st.sampled_from([wav(0.2), wav(1.0)]))
schemathesis.openapi.format("language", LANGUAGES)
schemathesis.openapi.format("spoken-language", LANGUAGES | st.just("auto"))
schemathesis.openapi.format("prose", st.sampled_from(["Olá.", "Two sentences. And a half", "日本語。" * 50, "-"]))
schemathesis.openapi.format("comma-separated", st.sampled_from(["business", "saúde, 日本 , ", ",", "a" * 100, ""]))


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType] - takes any function
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:  # noqa: ARG001
    """Two of three tasks that are asked for exist."""
    if path_parameters and "task_id" in path_parameters:
        choice = sum(map(ord, str(path_parameters["task_id"]))) % (len(TASKS) + len(TASKS) // 2 + 1)
        if choice < len(TASKS):
            path_parameters["task_id"] = TASKS[choice]
    return path_parameters
