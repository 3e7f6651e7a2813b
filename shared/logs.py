"""Logs: structlog only. The event is a constant verb phrase in snake_case; facts are fields.

What is bound to the context (`service`, and per job `stage task_id attempt worker`) goes on every line below it.
"""

import logging
import sys

import structlog

from shared.settings import BaseSettings, choose


def configure(settings: BaseSettings, *, service: str) -> None:
    """Set up logging for this process, to standard error. Called once, in the entry point. Raises `SettingsError`."""
    levels = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
    level = choose("LOG_LEVEL", settings.log_level.lower(), levels)
    renderer: structlog.typing.Processor
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    shared_processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared_processors, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _adopt_standard_logging(shared_processors, renderer)
    structlog.contextvars.bind_contextvars(service=service)


def _adopt_standard_logging(processors: list[structlog.typing.Processor], renderer: structlog.typing.Processor) -> None:
    """Libraries log through the standard module: warnings and worse come out in our form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # A library in the asr worker turns FFmpeg's own remarks on. A damaged recording is no fault of ours: its task has a
    # warning that a person understands.
    logging.getLogger("libav").setLevel(logging.CRITICAL)
