"""Structured logs of this process: one JSON object a line, or plain text on a terminal.

Secrets are removed by value from whatever is logged, tracebacks included.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from onyx_pipelines.core.text import printable

LOGGER_NAME = "onyx"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MASK = "[secret]"
_process_fields: list[dict[str, str]] = []
_work_fields: ContextVar[dict[str, str]] = ContextVar("onyx_log_fields", default={})  # noqa: B039  (never changed in place)


def logger(part: str) -> logging.Logger:
    """The logger of one part of the product. Pass fields as `extra={"backup_id": …}`."""
    return logging.getLogger(f"{LOGGER_NAME}.{part}")


@contextmanager
def process_fields(**fields: str) -> Iterator[None]:
    """On every record of this process, whichever thread writes it, until the block ends: the run,
    the job. What began last counts."""
    _process_fields.append(fields)
    try:
        yield
    finally:
        _process_fields[:] = [each for each in _process_fields if each is not fields]


@contextmanager
def log_fields(**fields: str) -> Iterator[None]:
    """On every record of the work in the block, whoever writes it: the set, the component."""
    token = _work_fields.set({**_work_fields.get(), **fields})
    try:
        yield
    finally:
        _work_fields.reset(token)


class Redactor:
    """Replaces known secret values in text. Values under six characters are left: they would
    blank out half of a log."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        long_enough = {secret for secret in secrets if len(secret) >= 6}
        # A quote, a backslash or an umlaut looks different inside a JSON string.
        in_json = {json.dumps(secret)[1:-1] for secret in long_enough}
        self._secrets = sorted(long_enough | in_json, key=len, reverse=True)

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text


class JsonFormatter(logging.Formatter):
    """One line of JSON: time (UTC), level, logger, message, and every extra field."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {**(_process_fields[-1] if _process_fields else {}), **_work_fields.get()}
        fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        # In ASCII: what a name holds does not reach the terminal that shows the log.
        return self._redactor.clean(json.dumps(fields, default=str))


class TextFormatter(logging.Formatter):
    """For a person at a terminal."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(levelname)s %(message)s")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        lines = self._redactor.clean(super().format(record)).splitlines()
        return "\n  ".join(map(printable, lines))


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is now: Dagster puts each step's own in its place."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass


def configure_logging(
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    as_json: bool | None = None,
) -> None:
    """Send the product's log to `stream` (standard error); JSON unless that is a terminal."""
    target = stream or sys.stderr
    redactor = Redactor(secrets)
    use_json = not target.isatty() if as_json is None else as_json
    handler = logging.StreamHandler(stream) if stream else _StandardError()
    handler.setFormatter(JsonFormatter(redactor) if use_json else TextFormatter(redactor))
    root = logging.getLogger(LOGGER_NAME)
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if use_json else logging.WARNING)
