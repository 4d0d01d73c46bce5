"""What of an operation's parameters may be written down: nothing that is, or looks like, a secret.

By type (SecretStr), by value (every secret of the settings), by the parameter's name, and by shape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, SecretBytes, SecretStr

from onyx_pipelines.core.logs import Redactor
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import printable, shortened

M = TypeVar("M", bound=BaseModel)
MASK = "[secret]"
_LONGEST_TEXT = 1000
_MOST_ITEMS = 100
_DEEPEST = 6

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|authorization|cookie|signature"
    r"|(api|access|private|master|encryption|signing)[-_.]?key(?![-_.]?(id|file))"
    r"|(^|[-_.])(pwd|pass|dsn|bearer|sig)($|[-_.])",
    re.IGNORECASE,
)
# Each pattern keeps what is around the secret, so that the record still says what it was about.
_SECRET_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*-----|\Z)", re.S), MASK),
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^/\s@]*:[^\s]*@", re.I), rf"\1{MASK}@"),
    (re.compile(r"\b(https?://hooks\.slack\.com/)[^\s\"']+", re.I), rf"\1{MASK}"),
    (re.compile(r"\b(Bearer|Basic|Token)(\s+)[A-Za-z0-9+/=._~-]{6,}", re.I), rf"\1\2{MASK}"),
    (
        re.compile(
            r"(?<![A-Za-z0-9])([\w.-]*(?:pass(?:word|wd|phrase)?|pwd|secret|token|sig|signature"
            r"|api[-_]?key|access[-_]?key)[\"']?\s*[=:]\s*)"
            r"(\"[^\"]*\"?|'[^']*'?|[^\s&;,\"']+)",
            re.I,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), MASK),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
    (re.compile(r"\b(?:gh[pousr]|github_pat|glpat|xox[abeoprs]|sk|pk|rk)[-_][\w-]{16,}"), MASK),
)


class Redaction:
    """Cleans parameters and sentences for the trail.

    Args:
        secrets: values that are masked wherever they stand, from six characters on.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known = Redactor(secrets)

    @classmethod
    def of(cls, settings: Settings) -> Redaction:
        """That of every secret that the settings hold."""
        secrets = (value for _, value in settings if isinstance(value, SecretStr))
        return cls(each.get_secret_value() for each in secrets)

    def text(self, text: str) -> str:
        """One line without secrets, of at most 1,000 characters."""
        cleaned = self._known.clean(text)
        for shape, replacement in _SECRET_SHAPES:
            cleaned = shape.sub(replacement, cleaned)
        return shortened(printable(" ".join(cleaned.split())), _LONGEST_TEXT)

    def model(self, model: M) -> M:
        """The same with each of its texts cleaned; what is an enum stays."""
        texts = {name: self.text(value) for name, value in model if type(value) is str}
        return model.model_copy(update=texts)

    def parameters(self, parameters: Mapping[str, object]) -> dict[str, JsonValue]:
        """Plain JSON values; what has no JSON form becomes text."""
        return self._mapping(parameters, _DEEPEST)

    def _mapping(self, values: Mapping[Any, object], depth: int) -> dict[str, JsonValue]:
        return {
            self.text(str(name)): self._named(str(name), value, depth)
            for name, value in list(values.items())[:_MOST_ITEMS]
        }

    def _named(self, name: str, value: object, depth: int) -> JsonValue:
        harmless = value is None or isinstance(value, bool) or value in ("", b"")
        return MASK if _SECRET_NAME.search(name) and not harmless else self._value(value, depth)

    def _value(self, value: object, depth: int) -> JsonValue:
        match value:
            case SecretStr() | SecretBytes() | bytes() | bytearray():
                return MASK
            case None | bool():
                return value
            case Enum():
                return self._value(value.value, depth)
            case int() | float():
                text = self.text(str(value))
                return value if text == str(value) and math.isfinite(value) else text
            case str():
                return self.text(value)
            case datetime():
                return value.isoformat()
            case BaseModel() | Mapping() | Set() | Sequence() if depth == 0:
                return "[nested too deep]"
            case BaseModel() | Mapping():
                return self._mapping(dict(value), depth - 1)
            case Set():
                return sorted((self._value(each, depth - 1) for each in value), key=str)
            case Sequence():
                return [self._value(each, depth - 1) for each in value[:_MOST_ITEMS]]
            case _:
                return self.text(str(value))
