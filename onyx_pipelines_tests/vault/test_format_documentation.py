"""docs/format.md is executed: its program opens a set of ours, its command checks one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from onyx_pipelines.vault.authenticity import vouched_for
from onyx_pipelines.vault.keys import copy_to_escrow
from onyx_pipelines.vault.layout import manifest_key, object_key, set_prefix
from onyx_pipelines.vault.manifest import ComponentRecord, Manifest, ObjectRecord, to_bytes
from onyx_pipelines.vault.public_keys import KeyList
from onyx_pipelines.vault.signing import SIGNERS, Signer
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.wrapping import new_mac_keyset
from onyx_pipelines_tests.planting import plant, replaced
from onyx_pipelines_tests.vault.sets import (
    BEGAN,
    CONTENT,
    KeyPair,
    make_key,
    signers,
    signing_key,
    write_set,
)

PAGE = Path(__file__).parents[2] / "docs" / "format.md"


def code_block(language: str) -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    return str(block)


@pytest.fixture
def pair(tmp_path: Path) -> KeyPair:
    return make_key(tmp_path, "Größe")


@pytest.fixture
def manifest(store: LocalStore, pair: KeyPair) -> Manifest:
    return write_set(store, pair.recipient)


def folder_of(store: LocalStore, manifest: Manifest) -> Path:
    return store.root / set_prefix(manifest.backup_id)


def run_program(
    tmp_path: Path, folder: Path, key: Path, *, believed: Signer | None = None
) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "open_set.py"
    program.write_text(code_block("python"), encoding="utf-8")
    listed = tmp_path / "signers.json"
    KeyList(listed, SIGNERS).add(believed or signing_key().signer)
    command = [sys.executable, "-I", program, folder, key, listed, tmp_path / "out"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run_check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", code_block("sh")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_program_uses_none_of_our_code() -> None:
    imported = set(re.findall(r"^(?:import|from) (\w+)", code_block("python"), re.M))

    standard = {"base64", "datetime", "hashlib", "json", "pathlib", "sys"}
    assert imported == {*standard, "tink", "zstandard"}


def test_the_program_opens_a_set_of_ours(
    tmp_path: Path, store: LocalStore, manifest: Manifest, pair: KeyPair
) -> None:
    done = run_program(tmp_path, folder_of(store, manifest), pair.path)

    assert done.returncode == 0, done.stderr
    assert {path: (tmp_path / "out" / path).read_bytes() for path in CONTENT} == CONTENT


def test_the_program_refuses_an_edited_manifest(
    tmp_path: Path, store: LocalStore, manifest: Manifest, pair: KeyPair
) -> None:
    path = folder_of(store, manifest) / "manifest.json"
    plant(path, replaced(b"testhost", b"otherbox"))

    done = run_program(tmp_path, folder_of(store, manifest), pair.path)

    assert done.returncode != 0
    assert not (tmp_path / "out").exists()


def test_the_program_refuses_a_set_that_a_stranger_made(
    tmp_path: Path, store: LocalStore, manifest: Manifest, pair: KeyPair
) -> None:
    believed = signing_key("another host").signer

    done = run_program(tmp_path, folder_of(store, manifest), pair.path, believed=believed)

    assert "signed by a stranger: test host" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_program_refuses_what_a_retired_signer_signed_later(
    tmp_path: Path, store: LocalStore, manifest: Manifest, pair: KeyPair
) -> None:
    believed = signing_key().signer.model_copy(update={"retired_at": BEGAN})

    done = run_program(tmp_path, folder_of(store, manifest), pair.path, believed=believed)

    assert "after its signer was retired" in done.stderr


def test_the_program_refuses_a_signature_that_does_not_hold(
    tmp_path: Path, store: LocalStore, manifest: Manifest, pair: KeyPair
) -> None:
    """Whoever knows the recipients makes a MAC that fits, and names a signer."""
    forged = vouched_for(manifest, new_mac_keyset(), signing_key("a stranger"))
    signature = forged.signature.model_copy(update={"signer_id": signing_key().signer.id})
    store.put(
        manifest_key(manifest.backup_id),
        to_bytes(forged.model_copy(update={"signature": signature})),
    )

    done = run_program(tmp_path, folder_of(store, manifest), pair.path)

    assert "TinkError" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_program_takes_the_signers_of_an_escrow_copy(
    tmp_path: Path, store: LocalStore, manifest: Manifest, pair: KeyPair
) -> None:
    copy_to_escrow(pair.path, tmp_path / "signers.json", signers().listed)
    program = tmp_path / "open_set.py"
    program.write_text(code_block("python"), encoding="utf-8")
    escrow = tmp_path / "signers.json"
    command = [sys.executable, "-I", program, folder_of(store, manifest), escrow, escrow]

    done = subprocess.run([*command, tmp_path / "out"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_the_program_refuses_a_cut_object(
    tmp_path: Path, store: LocalStore, manifest: Manifest, pair: KeyPair
) -> None:
    path = store.root / object_key(manifest.backup_id, "postgresql/onyx.dump.zst.sealed")
    path.write_bytes(path.read_bytes()[:-1])

    assert run_program(tmp_path, folder_of(store, manifest), pair.path).returncode != 0


def test_the_program_tells_a_stranger_whose_key_it_takes(
    tmp_path: Path, store: LocalStore, manifest: Manifest
) -> None:
    stranger = make_key(tmp_path / "elsewhere", "stranger")

    done = run_program(tmp_path, folder_of(store, manifest), stranger.path)

    assert done.stderr.strip() == "sealed to: Größe"


def test_the_command_checks_every_object_without_a_key(
    store: LocalStore, manifest: Manifest
) -> None:
    done = run_check(folder_of(store, manifest))

    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK\n") == len(CONTENT)


def test_the_command_names_a_damaged_object(store: LocalStore, manifest: Manifest) -> None:
    path = store.root / object_key(manifest.backup_id, "volumes/uploads.tar.zst.sealed")
    path.write_bytes(path.read_bytes()[:-1])

    done = run_check(folder_of(store, manifest))

    assert done.returncode != 0
    assert "volumes/uploads.tar.zst.sealed: FAILED" in done.stdout


@pytest.mark.parametrize("model", [Manifest, ComponentRecord, ObjectRecord])
def test_the_page_explains_every_field(model: type[Manifest | ComponentRecord]) -> None:
    page = PAGE.read_text("utf-8")

    assert [field for field in model.model_fields if f"`{field}`" not in page] == []
