"""Which errors are the same one, and how much two are alike. Pure, the same every time.

Trackers group by frames that their webhooks do not tell; what every source tells is the type, the
message and the service. Figures, ids and names in a message are what differs between two events of
one error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final, Protocol

_DEFAULT: Final = "{{ default }}"
_PASSING: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # UUIDs
    r"|\b0x[0-9a-f]+\b"
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{7,}\b"  # hashes
    r"|\d+(?:[.,:]\d+)*"
    r"|'[^']*'|\"[^\"]*\"|`[^`]*`",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[A-Z][a-z]+|[A-Z]+(?![a-z])|[^\W\dA-Z_]+|#")
_LONGEST: Final = 300
_TYPE, _CULPRIT, _MESSAGE = 0.4, 0.3, 0.3


class Described(Protocol):
    """What is known of any issue."""

    @property
    def type(self) -> str: ...
    @property
    def culprit(self) -> str: ...
    @property
    def message(self) -> str: ...


def normalised(message: str) -> str:
    """Without what differs between two events of the same error."""
    return " ".join(_PASSING.sub("#", message).lower().split())[:_LONGEST]


def fingerprint(service: str, error_type: str, message: str, by_hand: Iterable[str] = ()) -> str:
    """16 hexadecimal digits; what somebody has set by hand counts instead of type and message."""
    chosen = [each for each in by_hand if each != _DEFAULT]
    parts = chosen or [error_type, normalised(message)]
    return hashlib.sha256("\0".join([service, *parts]).encode()).hexdigest()[:16]


def likeness(one: Described, other: Described) -> float:
    """0 to 1: shared words (Jaccard's index) of type, place and message; what neither of them has
    does not count."""
    pairs = (
        (_TYPE, _words(one.type), _words(other.type)),
        (_CULPRIT, _words(one.culprit), _words(other.culprit)),
        (_MESSAGE, _words(normalised(one.message)), _words(normalised(other.message))),
    )
    known = [(weight, a, b) for weight, a, b in pairs if a or b]
    whole = sum(weight for weight, _, _ in known)
    return sum(weight * len(a & b) / len(a | b) for weight, a, b in known) / (whole or 1.0)


def _words(text: str) -> frozenset[str]:
    return frozenset(each.lower() for each in _WORD.findall(text))
