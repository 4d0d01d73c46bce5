"""Takes out of an event what nobody may read, by the rules that Node has too.

An event is made anew of the fields that are allowed, so that one that nobody thought of does not
leave. What goes wrong meanwhile leaves nothing but the types of what failed.
"""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from onyx_pipelines.core.logs import Redactor
from onyx_pipelines.errors.rules import Rules, load_rules

# Texts of one process repeat: names of files and functions, a breadcrumb in several events.
_REMEMBERED_TEXTS: Final = 2048
_PSEUDONYM_DIGITS: Final = 16
_LARGEST_NUMBER: Final = 1e10  # a longer one may be an account's or a telephone's
_TYPE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ENDED: Final = "…"


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
        self.text = lru_cache(_REMEMBERED_TEXTS)(self._text)

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            found = self._cleaned(event, self._rules.event)
            return found if isinstance(found, dict) else stub({})
        except Exception:  # noqa: BLE001  (whatever it is, what was not scrubbed does not leave)
            return stub(event)

    def _cleaned(self, value: Any, allowed: Any) -> Any:
        """None: it is left out."""
        if isinstance(allowed, str):
            return self._leaf(value, allowed)
        if isinstance(allowed, dict):
            return self._mapping(value, allowed) if isinstance(value, Mapping) else None
        [kind] = allowed
        return self._items(value, kind) if isinstance(value, (list, tuple)) else None

    def _leaf(self, value: Any, kind: str) -> Any:
        """The commonest first: an event has hundreds."""
        if isinstance(value, str):
            if kind == "pseudonym":
                return self.pseudonym(value)
            kept = self._rules.formats.get(kind)
            return value if kept and kept.fullmatch(value) else self.text(value)
        if isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            if kind == "pseudonym":
                return self.pseudonym(str(value))
            return value if abs(value) < _LARGEST_NUMBER else "[number]"
        return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else None

    def _mapping(self, value: Mapping[Any, Any], allowed: Mapping[str, Any]) -> dict[str, Any]:
        """Names of headers are of any case."""
        named = {
            name.lower() if isinstance(name, str) else "": each for name, each in value.items()
        }
        return {
            name: cleaned
            for name, each in named.items()
            if name in allowed and (cleaned := self._cleaned(each, allowed[name])) is not None
        }

    def _items(self, value: Iterable[Any], allowed: Any) -> list[Any]:
        """The last: where it failed, and what came right before."""
        last = list(value)[-self._rules.list_items :]
        return [each for item in last if (each := self._cleaned(item, allowed)) is not None]

    def _text(self, text: str) -> str:
        found = self._redactor.clean(text)
        if len(found) > self._rules.read_characters:
            # Half a secret looks like none.
            read = found[: self._rules.read_characters]
            found = read[: max(map(read.rfind, " \n\t")) + 1]
        for each in self._rules.patterns:
            found = each.regex.sub(
                rf"\g<1>[{each.name}]" if each.regex.groups else f"[{each.name}]", found
            )
        if len(found) > self._rules.text_characters:
            found = found[: self._rules.text_characters] + _ENDED
        return found

    def pseudonym(self, of: str) -> str | None:
        """The same for the same user in every service that has the key; None without one."""
        if not (self._key and of):
            return None
        return "p-" + hmac.digest(self._key, of.encode(), "sha256").hex()[:_PSEUDONYM_DIGITS]


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
