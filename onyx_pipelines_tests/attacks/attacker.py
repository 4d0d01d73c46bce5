"""An attacker who does random harm to a store: forges, replays, swaps, deletes, truncates, unmarks,
backdates and fills. What it knows of the format is all that docs/format.md says.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from onyx_pipelines_tests.attacks.reach import Reach

Document = dict[str, Any]
Sign = Callable[[Document], Document]
_MARKS = ("held", "verified", "drilled", "pruned")


def unsigned(document: Document) -> Document:
    """For an attacker without a signing key: the signature stays that of another set."""
    return document


@dataclass
class Attacker:
    """`harm` does one random thing; `done` counts them.

    Args:
        now: the attacker's idea of the time.
        sign: signs a manifest as well as the attacker can.
    """

    reach: Reach
    rng: random.Random
    now: datetime
    sign: Sign = unsigned
    done: Counter[str] = field(default_factory=Counter)
    _kept: list[tuple[str, bytes]] = field(default_factory=list)

    def harm(self, times: int) -> None:
        ways: dict[str, Callable[[], None]] = {
            "forge": self._forge,
            "replay": self._replay,
            "swap": self._swap,
            "delete": self._delete,
            "truncate": self._truncate,
            "unmark": self._unmark,
            "backdate": self._backdate,
            "fill": self._fill,
        }
        for _ in range(times):
            way = self.rng.choice(list(ways))
            ways[way]()
            self.done[way] += 1

    def _forge(self) -> None:
        """A set that seems newer and drilled, by a manifest alone."""
        document = self._some_manifest()
        if document is None:
            return
        backup_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        document["backup_id"] = backup_id
        document["mac"] = "AAAA"
        self._date(document, timedelta(seconds=self.rng.choice([7, 3600, 86400, 10**9])))
        for component in document["components"].values():
            if self.rng.random() < 0.7:
                component["objects"] = []
        self._put_manifest(document)
        for mark in _MARKS[: self.rng.randrange(4)]:
            self.reach.write(f"sets/{backup_id}/marks/{mark}.json", self._mark())

    def _replay(self) -> None:
        """Something that was there once, at its own place or at another set's."""
        if self._kept and self.rng.random() < 0.7:
            key, data = self.rng.choice(self._kept)
            if self.rng.random() < 0.5:
                key = self._elsewhere(key)
            self.reach.write(key, data)
        else:
            self._remember()

    def _swap(self) -> None:
        first, second = self._some_key(), self._some_key()
        if first is None or second is None:
            return
        one, other = self.reach.read(first), self.reach.read(second)
        if one is not None and other is not None:
            self.reach.write(first, other)
            self.reach.write(second, one)

    def _delete(self) -> None:
        key = self._some_key()
        if key is not None:
            self._keep(key)
            self.reach.delete(key)

    def _truncate(self) -> None:
        key = self._some_key()
        data = self.reach.read(key) if key is not None else None
        if key is not None and data:
            self.reach.write(key, data[: self.rng.randrange(len(data))])

    def _unmark(self) -> None:
        marks = [key for key in self.reach.listed() if "/marks/" in key]
        if marks:
            key = self.rng.choice(marks)
            self._keep(key)
            if self.rng.random() < 0.5:
                self.reach.delete(key)
            else:
                self.reach.write(key, self._mark())

    def _backdate(self) -> None:
        """A real set at another time: older, so that it goes, or newer, so that others go."""
        document = self._some_manifest()
        if document is not None:
            self._date(document, timedelta(days=self.rng.choice([-4000, -40, -1, 1, 400])))
            self._put_manifest(document)

    def _fill(self) -> None:
        junk = self.rng.randbytes(self.rng.randrange(4096))
        name = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        place = self.rng.choice(
            [
                f"sets/{name}/manifest.json",
                f"sets/{name}/volumes/data.tar.zst.sealed",
                f"sets/not-an-id-{name[:6]}/manifest.json",
                f"sets/{name}/marks/held.json",
                f"{name}",
            ]
        )
        self.reach.write(place, junk)

    def _some_key(self) -> str | None:
        keys = self.reach.listed()
        return self.rng.choice(keys) if keys else None

    def _some_manifest(self) -> Document | None:
        keys = [key for key in self.reach.listed() if key.endswith("/manifest.json")]
        data = self.reach.read(self.rng.choice(keys)) if keys else None
        try:
            document = json.loads(data or b"")
        except ValueError:
            return None
        usable = isinstance(document, dict) and isinstance(document.get("components"), dict)
        return document if usable else None

    def _put_manifest(self, document: Document) -> None:
        signed = self.sign(document)
        data = json.dumps(signed, indent=2, ensure_ascii=False).encode() + b"\n"
        self.reach.write(f"sets/{document['backup_id']}/manifest.json", data)

    def _date(self, document: Document, offset: timedelta) -> None:
        moment = self.now + offset
        for name in ("timestamp", "completed_at"):
            document[name] = moment.isoformat().replace("+00:00", "Z")

    def _mark(self) -> bytes:
        moment = (self.now + timedelta(days=self.rng.choice([-300, 0, 300]))).isoformat()
        kind = self.rng.choice(
            [
                {"at": moment, "passed": True, "last_passed_at": moment},
                {"at": moment, "passed": False, "last_passed_at": None},
                {"reason": "kept by [/srv/files]\n\x1b[2J", "since": moment},
            ]
        )
        return json.dumps(kind).encode()

    def _remember(self) -> None:
        key = self._some_key()
        if key is not None:
            self._keep(key)

    def _keep(self, key: str) -> None:
        data = self.reach.read(key)
        if data is not None:
            self._kept.append((key, data))

    def _elsewhere(self, key: str) -> str:
        """The same place in another set."""
        other = self._some_key()
        parts = key.split("/")
        if other and len(parts) > 2 and other.count("/") >= 2:
            return "/".join([parts[0], other.split("/")[1], *parts[2:]])
        return key
