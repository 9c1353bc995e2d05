"""The lines of the log: text for people or JSON for machines, the same facts in both.

What a line may say beside its message are the plain values given as ``extra={"fields": …}``. No
line holds an API key, a byte of an image or a value that a client sent, but for its request id.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Literal

import cv2

LogFormat = Literal["text", "json"]


def set_up_logging(form: LogFormat) -> None:
    """Every logger of the process writes such lines to standard error, from INFO on; OpenCV, which
    would write its own between them about each broken image, writes none."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for library in ("uvicorn.error", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time`` (UTC, RFC 3339), ``level``, ``message``, the fields, and
    ``exception`` where there was one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """Time of day, level where it is no INFO, message, and the fields as ``name=value``."""

    def __init__(self) -> None:
        super().__init__(datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line of a record, without its exception."""
        level = () if record.levelno == logging.INFO else (record.levelname,)
        fields = (f"{name}={value}" for name, value in _fields(record).items())
        moment = self.formatTime(record, self.datefmt)
        return " ".join((moment, *level, record.getMessage(), *fields))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What is known of the fields; those without a value are left out."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    return {name: value for name, value in fields.items() if value is not None}
