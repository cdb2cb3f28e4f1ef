"""Logs: structured, for machines as JSON and for people readable; never a token or a secret."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_TOKEN = re.compile(r"\b(whk_|rct_(?:run_)?|whsec_|whsk_)[A-Za-z0-9+/=_-]{8,}")
_CREDENTIALS = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@")


def configure_logging(log_format: str, level: str) -> None:
    """Write logs to stderr: `json`, `text`, or `auto` (text where stderr is a terminal)."""
    readable = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if readable
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if readable else [structlog.processors.format_exc_info]),
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")


def _to_stderr(*_arguments: Any) -> structlog.WriteLogger:
    """A logger on whatever stderr is now: it may be another one than at the start."""
    return structlog.WriteLogger(sys.stderr)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take tokens and passwords out of every text of a log line."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _CREDENTIALS.sub(r"\1:***@", _TOKEN.sub(r"\1***", value))
    return event
