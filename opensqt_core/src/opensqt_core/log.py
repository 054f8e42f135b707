"""Logging: structlog for ours, the standard library's records of others through the same chain, secrets taken out.

Events have fields; nobody assembles sentences from values. On a terminal they are for people, otherwise JSON.
"""

import json
import logging
import re
import sys
from collections.abc import Callable
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from opensqt_core.secret import Secret

LogFormat = Literal["auto", "console", "json"]

_MASK = "**********"
_SHORTEST = 6
"""A secret shorter than this is not searched for: it would tear holes into ordinary words."""
_QUERY_VALUE = re.compile(r"(?i)\b(token|listenKey|signature)=[^&\s\"'<>]+")
_secrets: set[str] = set()
_searched: re.Pattern[str] | None = None


def register_secret(secret: Secret) -> None:
    """Have `redact`, and so every log line, replace this secret's text. Settings do this for each one they read."""
    global _searched  # noqa: PLW0603 - logging is the process's, and so is what must not be logged
    text = secret.reveal()
    if len(text) >= _SHORTEST:
        # Also as it looks inside a JSON string and inside a repr, where quotes and backslashes are escaped.
        _secrets.update((text, json.dumps(text)[1:-1], repr(text)[1:-1]))
        _searched = re.compile("|".join(re.escape(known) for known in sorted(_secrets, key=len, reverse=True)))


def redact(text: str) -> str:
    """Return `text` without registered secrets and without the values of `token=`, `listenKey=` and `signature=`."""
    if _searched is not None:
        text = _searched.sub(_MASK, text)
    return _QUERY_VALUE.sub(lambda match: f"{match[1]}={_MASK}", text)


def configure_logging(
    level: str = "info",
    format: LogFormat = "auto",  # noqa: A002 - the name of the setting
    stream: TextIO | None = None,
) -> None:
    """Set up logging for the process, onto `stream` (standard error if None).

    `auto` means `console` on a terminal and `json` otherwise. Raises `ValueError` for an unknown level. httpx and
    httpcore are kept to warnings: below, they log URLs and headers.
    """
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if threshold is None:
        raise ValueError(f"unknown log level {level!r}")
    target = stream if stream is not None else sys.stderr
    human = format == "console" or (format == "auto" and target.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = _redacting(_console(target) if human else structlog.processors.JSONRenderer(default=str))
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for talkative in ("httpx", "httpcore"):
        logging.getLogger(talkative).setLevel(max(threshold, logging.WARNING))


def _console(target: TextIO) -> structlog.dev.ConsoleRenderer:
    # Tracebacks are plain text by now; the renderer's own would print local variables, keys among them.
    return structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _redacting(render: Callable[[WrappedLogger, str, EventDict], Any]) -> Processor:
    def processor(logger: WrappedLogger, method: str, event: EventDict) -> str:
        rendered = render(logger, method, event)
        return redact(rendered if isinstance(rendered, str) else rendered.decode())

    return processor
