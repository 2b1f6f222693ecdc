"""Logging, set up once a process: lines for a person at a terminal, JSON for everybody else."""

import logging
import sys
from typing import Any

import structlog


def set_up(process: str, level: str) -> None:
    """Configures structlog; every line carries the process's name.

    Libraries that use the standard library's logging are heard from warnings on.
    """
    at_terminal = sys.stderr.isatty()
    renderer: Any = (
        # Tracebacks without variables: those may hold keys and passwords.
        structlog.dev.ConsoleRenderer(
            colors=True,
            pad_event_to=0,
            exception_formatter=structlog.dev.plain_traceback,
        )
        if at_terminal
        else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if at_terminal else "iso"),
    ]
    if not at_terminal:
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def get(name: str) -> "structlog.typing.FilteringBoundLogger":
    """A logger for a module."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger
