"""Whoever may write into a store may put much there: looking at it takes bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.errors import IntegrityError, StoreError
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines.vault.manifest import RECORD_LIMIT_BYTES, parse_manifest, to_bytes
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines_tests.vault.planted_sets import Planter, local, planter
from onyx_pipelines_tests.vault.sets import new_id, trust

__all__ = ["local", "planter"]

_LOOK = """
import sys
from pathlib import Path
from onyx_pipelines.vault.scanning import scan_store
from onyx_pipelines_tests.vault.sets import make_store, signers

def peak_mib():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) >> 10

before = peak_mib()
scan = scan_store(make_store(Path(sys.argv[1])), signers())
print(peak_mib() - before, len(scan.damaged) + len(scan.untrusted))
"""
FORGED = 4


def of_empty_lists(_: dict[str, Any], size: int) -> bytes:
    """What takes the most memory for its length."""
    return b"[" + b"[]," * ((size - 3) // 3) + b"0]"


def of_many_objects(document: dict[str, Any], size: int) -> bytes:
    """In the form of a real one."""
    component = next(iter(document["components"].values()))
    one = component["objects"][0]
    component["objects"] = [one] * 2
    two = len(_text(document))
    component["objects"] = [one]
    alone = len(_text(document))
    component["objects"] = [one] * ((size - alone) // (two - alone))
    return _text(document | {"mac": "AAAA"})


def _text(document: dict[str, Any]) -> bytes:
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()


@pytest.mark.thorough
@pytest.mark.parametrize("forge", [of_empty_lists, of_many_objects])
def test_several_forged_manifests_as_large_as_may_be_take_the_memory_of_one(
    local: LocalStore, planter: Planter, forge: Callable[[dict[str, Any], int], bytes]
) -> None:
    document = json.loads(local.get(manifest_key(planter.plant(local))))
    for _ in range(FORGED):
        forged = document | {"backup_id": str(uuid.uuid4())}
        data = forge(json.loads(json.dumps(forged)), RECORD_LIMIT_BYTES)
        assert 0.9 * RECORD_LIMIT_BYTES < len(data) <= RECORD_LIMIT_BYTES
        local.put(manifest_key(forged["backup_id"]), data)

    command = [sys.executable, "-c", _LOOK, str(Path(local.url.removeprefix("file://")))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    grown_mib, looked_at = map(int, output.split())

    # A process of its own believes in another signer: the real one is a stranger's there.
    assert looked_at == FORGED + 1
    assert grown_mib < 400


def test_what_is_larger_is_damaged_and_not_even_read(local: LocalStore, planter: Planter) -> None:
    real = planter.plant(local)
    large = new_id()
    # Spaces at its end: as JSON it would be a good one.
    local.put(manifest_key(large), local.get(manifest_key(real)).ljust(RECORD_LIMIT_BYTES + 1))

    scan = Catalog([local], trust()).scan()

    assert [each.backup_id for each in scan.sets] == [real]
    assert [(each.backup_id, "larger" in each.what) for each in scan.damaged] == [(large, True)]


def test_what_is_larger_is_not_parsed() -> None:
    with pytest.raises(IntegrityError, match="larger than the 8388608 bytes"):
        parse_manifest(b"[" * (RECORD_LIMIT_BYTES + 1))


def test_no_set_is_written_that_nobody_would_read(planter: Planter) -> None:
    manifest = planter.manifest.model_copy(update={"host": "x" * RECORD_LIMIT_BYTES})

    with pytest.raises(StoreError, match="of at most 8388608"):
        to_bytes(manifest)
