"""Attackers do 500 random things each; what docs/security.md promises must still hold."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines.vault.keys import copy_to_escrow
from onyx_pipelines.vault.signing import load_signing_key
from onyx_pipelines_tests.attacks.attacker import Attacker
from onyx_pipelines_tests.attacks.reach import DirectoryReach
from onyx_pipelines_tests.attacks.victim import (
    Victim,
    after_this_second,
    as_the_host,
    bucket_reach,
    locked_bucket,
    make_rescue_host,
    use_bucket,
    with_history,
)
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, make_volume_host
from onyx_pipelines_tests.users import NOBODY, as_another_user

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.thorough]

HARMS = 500
SEED = 20_261_126
PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"


def attacker(reach: object, **how: object) -> Attacker:
    return Attacker(reach, random.Random(SEED), datetime.now(UTC), **how)  # type: ignore[arg-type]  # keywords that a test names


def told(who: str, *, of: int, lost: int, has_read: bool) -> str:
    """The attack's line of the table in docs/security.md."""
    line = f"| {who} | {HARMS} | {lost} of {of} | {'data' if has_read else 'nothing'} |"
    print(line)
    return line


@pytest.fixture
def prefix() -> str:
    return f"attacked-{uuid.uuid4()}"


@pytest.fixture
def victim(volume_host: HostUnderTest, sandbox: Sandbox, prefix: str) -> Victim:
    use_bucket(volume_host, sandbox, sandbox.s3.bucket, prefix)
    return with_history(volume_host)


def test_who_has_the_credentials_of_the_bucket_costs_no_set_and_reads_nothing(
    victim: Victim, sandbox: Sandbox, prefix: str
) -> None:
    reach = bucket_reach(sandbox, sandbox.s3.bucket, prefix)
    harmful = attacker(reach)

    for _ in range(2):
        harmful.harm(HARMS // 2)
        nightly = victim.host.run()
        pruning = victim.host.onyx("prune", "--yes")

    assert pruning.status in (0, 1), pruning.everything
    line = told(
        "has the S3 credentials",
        of=len(victim.history),
        lost=len(victim.lost()),
        has_read=victim.was_read(reach.loot),
    )
    assert line in PAGE.read_text(encoding="utf-8")
    assert victim.host.listed()[0] == nightly.backup_id
    assert victim.host.open().catalog.find("latest").backup_id == nightly.backup_id


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A directory that every user of the machine may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="onyx-attacked-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_of_the_host_costs_no_set_and_reads_nothing(
    open_root: Path, sandbox: Sandbox, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders stand open to everybody, as after a careless installation."""
    host = make_volume_host(open_root, monkeypatch)
    use_bucket(host, sandbox, sandbox.s3.bucket, prefix)
    for folder in open_root.iterdir():
        folder.chmod(0o755)
    victim = with_history(host)
    (host.volume / "canary.txt").unlink()
    reach = DirectoryReach(open_root)

    with as_another_user(NOBODY):
        attacker(reach).harm(HARMS)

    assert reach.loot.holds(b"public_keyset")  # it did get to see what is open to all
    line = told(
        "is another user of the host",
        of=len(victim.history),
        lost=len(victim.lost()),
        has_read=victim.was_read(reach.loot),
    )
    assert line in PAGE.read_text(encoding="utf-8")


def test_root_with_all_credentials_costs_no_locked_copy_and_reads_no_past_set(
    volume_host: HostUnderTest,
    sandbox: Sandbox,
    prefix: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The host has public keys only; the private key and the list of signers are in escrow."""
    bucket = locked_bucket(sandbox)
    use_bucket(volume_host, sandbox, bucket, prefix)
    volume_host.set(OFFSITE_LOCK_DAYS=35)
    victim = with_history(volume_host)
    escrow = tmp_path_factory.mktemp("escrow") / "key.json"
    copy_to_escrow(volume_host.private_key, escrow, signers=volume_host.open().trust.signers.listed)
    volume_host.private_key.unlink()
    (volume_host.volume / "canary.txt").unlink()
    before = after_this_second()
    signing_key = load_signing_key(volume_host.signing_key)
    remote = bucket_reach(sandbox, bucket, prefix)
    local = DirectoryReach(volume_host.root, remote.loot)

    attacker(remote, sign=as_the_host(signing_key)).harm(HARMS - 100)
    attacker(local).harm(100)
    for name in remote.listed():
        remote.read(name)
    remote.close_the_bucket()
    shutil.rmtree(volume_host.root)

    volume_host.root.mkdir()
    rescue = make_rescue_host(volume_host, escrow)
    recovered = rescue.onyx("catalog", "recover-versions", "--as-of", before, "--yes")
    assert recovered.status in (0, 1), recovered.everything
    opened = rescue.open()
    line = told(
        "is root, has all credentials; public keys only, Object Lock on",
        of=len(victim.history),
        lost=len(victim.lost(opened.copies[0])),
        has_read=any(remote.loot.holds(canary) for canary in victim.canaries),
    )
    assert line in PAGE.read_text(encoding="utf-8")
    assert "brought back" in recovered.output  # the attack had done harm
