"""Takes out of an event what nobody may read, by the rules that Node has too.

An event is made anew of the fields that are allowed, so that one that nobody thought of does not
leave. What goes wrong meanwhile leaves nothing but the types of what failed.
"""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from onyx_pipelines.core.logs import Redactor
from onyx_pipelines.errors.rules import Rules, load_rules, shape_of

# What one process tells repeats: names of files and functions, breadcrumbs, users.
_REMEMBERED: Final = 2048
_PSEUDONYM_DIGITS: Final = 16
_LARGEST_NUMBER: Final = 1e10  # a longer one may be an account's or a telephone's
_TYPE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ENDED: Final = "…"

# Gives None for what is left out.
_Clean = Callable[[Any], Any]


class Scrubber:
    """Called with an event as plain data; gives another one, and never raises.

    Args:
        pseudonym_key: of the hash that stands for a user or session; "": they are left out.
        secrets: that this process knows, taken out whatever they look like.
    """

    def __init__(
        self, *, pseudonym_key: str = "", secrets: Iterable[str] = (), rules: Rules | None = None
    ) -> None:
        self._rules = rules or load_rules()
        self._key = pseudonym_key.encode()
        self._redactor = Redactor(secrets)
        self.text = lru_cache(_REMEMBERED)(self._text)
        self.pseudonym = lru_cache(_REMEMBERED)(self._pseudonym)
        self._clean = self._cleaning(self._rules.event)

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            found = self._clean(event)
            return found if isinstance(found, dict) else stub({})
        except Exception:  # noqa: BLE001  (whatever it is, what was not scrubbed does not leave)
            return stub(event)

    # What cleans a value is made of the rules once: an event has hundreds of values.

    def _cleaning(self, allowed: Any) -> _Clean:
        if isinstance(allowed, str):
            return self._cleaning_leaf(allowed)
        if isinstance(allowed, dict):
            return self._cleaning_mapping(
                {name: self._cleaning(each) for name, each in allowed.items()}
            )
        [kind] = allowed
        return self._cleaning_list(self._cleaning(kind))

    def _cleaning_leaf(self, kind: str) -> _Clean:
        kept = self._rules.formats.get(kind)
        of_text = self.pseudonym if kind == "pseudonym" else self.text

        def clean(value: Any) -> Any:
            """The commonest first."""
            if isinstance(value, str):
                return value if kept and kept.fullmatch(value) else of_text(value)
            if isinstance(value, bool):
                return value
            if isinstance(value, (int, float)):
                if kind == "pseudonym":
                    return of_text(str(value))
                return value if abs(value) < _LARGEST_NUMBER else "[number]"
            return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else None

        return clean

    def _cleaning_mapping(self, fields: Mapping[str, _Clean]) -> _Clean:
        def clean(value: Any) -> dict[str, Any] | None:
            if not isinstance(value, (dict, Mapping)):  # the first is known faster
                return None
            found = {}
            for name, each in value.items():
                known = name if name in fields else _lowered(name)
                if known in fields:
                    found[known] = fields[known](each)  # of several, the last one
            return {name: each for name, each in found.items() if each is not None}

        return clean

    def _cleaning_list(self, clean_item: _Clean) -> _Clean:
        most = self._rules.list_items

        def clean(value: Any) -> list[Any] | None:
            """The last: where it failed, and what came right before."""
            if not isinstance(value, (list, tuple)):
                return None
            return [each for item in value[-most:] if (each := clean_item(item)) is not None]

        return clean

    def _text(self, text: str) -> str:
        found = self._redactor.clean(text)
        if len(found) > self._rules.read_characters:
            # Half a secret looks like none.
            read = found[: self._rules.read_characters]
            found = read[: max(map(read.rfind, " \n\t")) + 1]
        lowered, shape = found.lower(), shape_of(found)
        for each in self._rules.patterns:
            if each.may_match(lowered, shape):
                found, times = each.regex.subn(each.replacement, found)
                if times:
                    lowered, shape = found.lower(), shape_of(found)
        if len(found) > self._rules.text_characters:
            found = found[: self._rules.text_characters] + _ENDED
        return found

    def _pseudonym(self, of: str) -> str | None:
        """The same for the same user in every service that has the key; None without one."""
        if not (self._key and of):
            return None
        return "p-" + hmac.digest(self._key, of.encode(), "sha256").hex()[:_PSEUDONYM_DIGITS]


def _lowered(name: object) -> str:
    """Names of headers are of any case."""
    return name.lower() if isinstance(name, str) else ""


def stub(event: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing but which event it is, and the types of what failed."""
    types: list[str] = []
    event_id = uuid.uuid4().hex
    try:
        known = event.get("event_id")
        event_id = known if isinstance(known, str) and _ID.fullmatch(known) else event_id
        values = event["exception"]["values"]
        types = [each["type"] for each in values if _TYPE.fullmatch(each["type"])]
    except Exception:  # noqa: BLE001, S110  (an event that cannot even be read is told as such)
        pass
    return {
        "event_id": event_id,
        "level": "error",
        "exception": {"values": [{"type": each} for each in types]},
        "fingerprint": ["scrubber-failed", *types],
        "tags": {"scrubber": "failed"},
    }
