"""A trail, and the two stores that it is copied into."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.audit import Trail
from onyx_pipelines.audit.chain import Severity
from onyx_pipelines.audit.copying import copy_audit
from onyx_pipelines.audit.verification import Verdict, verify_trail
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.vault.public_keys import KeyList
from onyx_pipelines.vault.signing import SIGNERS
from onyx_pipelines.vault.stores import LocalStore, Store
from onyx_pipelines_tests.audit.trails import event
from onyx_pipelines_tests.planting import plant, replaced
from onyx_pipelines_tests.vault.sets import signers, signing_key, trust


class Place:
    """A trail, and two stores in directories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("local", "offsite"):
            (root / name).mkdir()
        self.trail = Trail(root / "state" / "audit", "vps.example")
        self.stores: tuple[Store, ...] = (
            LocalStore(root / "local", name="local"),
            LocalStore(root / "offsite", name="offsite"),
        )
        self.settings: Settings = load_settings(
            {
                "state_dir": root / "state",
                "backup_dir": root / "local",
                "offsite_url": f"file://{root / 'offsite'}",
                "host_name": "vps.example",
                "signing_key_file": trust().signing_key_file,
                "signers_file": root / "signers.json",
            }
        )
        KeyList(root / "signers.json", SIGNERS).save(signers().listed)

    def record(self, *numbers: int) -> None:
        """Records, copied together."""
        for number in numbers:
            self.trail.append(event(number))
        copy_audit(self.trail, self.stores, signing_key())

    def segments(self, store: str = "offsite") -> list[Path]:
        return sorted((self.root / store / "audit").rglob("*.jsonl"))

    def verdict(self) -> Verdict:
        return verify_trail(self.trail, self.stores, signers()).verdict

    def problems(self) -> list[str]:
        return [each.what for each in verify_trail(self.trail, self.stores, signers()).problems]

    def notices(self) -> list[str]:
        found = verify_trail(self.trail, self.stores, signers()).findings
        return [each.what for each in found if each.severity is Severity.NOTICE]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def copied(place: Place) -> Place:
    place.record(1, 2)
    place.record(3)
    place.record(4, 5)
    return place


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    plant(path, replaced(old, new, 1))
