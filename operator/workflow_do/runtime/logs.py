"""Structured logs on stderr: one event a line, JSON for machines or plain for people.

Decides the form and the noise of libraries. What is logged are names, reasons and counts; never
whole objects, inputs, outputs or credentials: the callers keep to that.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from workflow_do.runtime.config import LogFormat, LogLevel

_LEVELS: dict[LogLevel, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(level: LogLevel, form: LogFormat) -> None:
    """Send this project's and its libraries' logs to stderr in one form."""
    rank = _LEVELS[level]
    structlog.configure(
        processors=[*_SHARED, *_endings(form)],
        wrapper_class=structlog.make_filtering_bound_logger(rank),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _route_libraries(rank, form)


def get(name: str, **bound: Any) -> FilteringBoundLogger:
    """A logger of ours; `bound` stands on every line (run, namespace, step)."""
    logger: FilteringBoundLogger = structlog.get_logger(component=name, **bound)
    return logger


def _endings(form: LogFormat) -> list[Processor]:
    if form == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _route_libraries(rank: int, form: LogFormat) -> None:
    """The standard library's loggers (kopf, aiohttp, asyncio) in the same form.

    kopf tells of every handler it calls (two lines an event, 20 % of its time): only its warnings
    are let through.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_endings(form),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(rank, logging.INFO), force=True)
    for name in ("kopf", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(max(rank, logging.WARNING))
