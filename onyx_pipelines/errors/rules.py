"""The rules of scrubbing, as they are in `scrubbing_rules.json`: one file for Python and Node.

Its regular expressions mean the same to both: ASCII classes written out, no flag but `i`, no group
but the first, which is what a replacement keeps.
"""

from __future__ import annotations

import json
import re
import string
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

RULES_FILE: Final = Path(__file__).with_name("scrubbing_rules.json")
_DIGITS_AND_CAPITALS: Final = bytes.maketrans(
    (string.digits + string.ascii_uppercase).encode(), b"0" * 10 + b"A" * 26
)
_OF_KEYS: Final = bytes.maketrans(
    (string.ascii_letters + string.digits + "_+=/.-").encode(), b"~" * 68
)
_FLAGS: Final = {"": re.ASCII, "i": re.ASCII | re.IGNORECASE}


@dataclass(frozen=True)
class Pattern:
    """Of what is taken out of a text.

    Args:
        regex: what it looks like.
        replacement: of it, as `re.sub` has them.
        words: without one of them in the text it matches nothing; none: it may.
        shapes: the same, of the text's `shape_of`.
    """

    regex: re.Pattern[str]
    replacement: str
    words: tuple[str, ...] = ()
    shapes: tuple[bytes, ...] = ()

    def may_match(self, lowered: str, shape: bytes) -> bool:
        """Whether to look for it, which takes far longer than this.

        Args:
            lowered: the text in lower case.
            shape: of the text.
        """
        # Loops, not any(): there are dozens of these for each text.
        for each in self.shapes:
            if each in shape:
                break
        else:
            if self.shapes:
                return False
        for word in self.words:
            if word in lowered:
                return True
        return not self.words


def shape_of(text: str) -> bytes:
    """Every digit as 0 and every capital as A; below that, all that keys are made of as ~."""
    raw = text.encode(errors="surrogatepass")
    return b"%b\n%b" % (raw.translate(_DIGITS_AND_CAPITALS), raw.translate(_OF_KEYS))


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
        patterns=tuple(map(_pattern, found["patterns"])),
        formats={name: re.compile(text, re.ASCII) for name, text in found["formats"].items()},
        event=found["event"],
        **found["limits"],
    )


def _pattern(found: dict[str, Any]) -> Pattern:
    regex = re.compile(found["pattern"], _FLAGS[found.get("flags", "")])
    return Pattern(
        regex,
        rf"\g<1>[{found['name']}]" if regex.groups else f"[{found['name']}]",
        tuple(found.get("words", ())),
        tuple(each.encode() for each in found.get("shapes", ())),
    )


@cache
def load_rules() -> Rules:
    """Those of this version."""
    return rules_of(json.loads(RULES_FILE.read_text(encoding="utf-8")))
