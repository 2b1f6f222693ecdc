"""Logging, set up once a process: lines for a person at a terminal, JSON for everybody else."""

import contextlib
import logging
import sys
from typing import Any, TextIO, cast

import structlog


class _Stderr:
    """Standard error; when nobody reads it any more, lines are lost, and not the work they tell of."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def set_up(process: str, level: str) -> None:
    """Configures structlog; every line carries the process's name.

    Libraries that use the standard library's logging are heard from warnings on.
    """
    stderr = cast(TextIO, _Stderr())
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
        logger_factory=structlog.PrintLoggerFactory(stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    handler = logging.StreamHandler(stderr)
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
