"""The rules of scrubbing, as they are in `scrubbing_rules.json`: one file for Python and Node.

Its regular expressions mean the same to both: ASCII classes written out, no flag but `i`, no group
but the first, which is what a replacement keeps.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

RULES_FILE: Final = Path(__file__).with_name("scrubbing_rules.json")
_FLAGS: Final = {"": re.ASCII, "i": re.ASCII | re.IGNORECASE}


@dataclass(frozen=True)
class Pattern:
    """Of what is taken out of a text. `name`: stands in its place, in brackets."""

    name: str
    regex: re.Pattern[str]


@dataclass(frozen=True)
class Rules:
    """What may leave a service in an event.

    Args:
        patterns: taken out of texts, in this order.
        formats: of values that are kept as they are, by name.
        event: the fields that an event may have, as a tree: mappings, lists of one kind, and
            leaves, which are `text`, `pseudonym` or one of the formats.
        read_characters: of a text that are looked at; the rest is cut off.
        text_characters: of it that are kept.
        list_items: of a list that are kept, its last.
    """

    patterns: tuple[Pattern, ...]
    formats: dict[str, re.Pattern[str]]
    event: dict[str, Any]
    read_characters: int
    text_characters: int
    list_items: int


def rules_of(found: dict[str, Any]) -> Rules:
    """From the file's JSON."""
    return Rules(
        patterns=tuple(
            Pattern(
                each["name"],
                re.compile(each["pattern"], _FLAGS[each.get("flags", "")]),
            )
            for each in found["patterns"]
        ),
        formats={name: re.compile(text, re.ASCII) for name, text in found["formats"].items()},
        event=found["event"],
        **found["limits"],
    )


@cache
def load_rules() -> Rules:
    """Those of this version."""
    return rules_of(json.loads(RULES_FILE.read_text(encoding="utf-8")))
