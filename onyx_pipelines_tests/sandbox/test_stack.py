"""The whole sandbox: up, known to other processes, and gone without a trace."""

from __future__ import annotations

import stat
from pathlib import Path

from onyx_pipelines.sandbox.stack import Sandbox


def test_up_answers_for_every_service_from_another_object(sandbox: Sandbox) -> None:
    seen = Sandbox(sandbox.state_dir).status()

    assert {service.name for service in seen if not service.running} == {
        "litellm",
        "bugsink",
        "front end (Node)",
    }
    assert all("127.0.0.1" in service.address for service in seen if service.running)


def test_up_again_changes_neither_ports_nor_keys(sandbox: Sandbox) -> None:
    before = sandbox.environment()
    key = (sandbox.state_dir / "keys" / "private.json").read_bytes()

    Sandbox(sandbox.state_dir).up(size=0.05)

    assert sandbox.environment() == before
    assert (sandbox.state_dir / "keys" / "private.json").read_bytes() == key


def test_what_holds_secrets_is_for_its_owner_only(sandbox: Sandbox) -> None:
    files = ("environment.json", "s3.secret", "keys/private.json")

    modes = {name: stat.S_IMODE((sandbox.state_dir / name).stat().st_mode) for name in files}

    assert modes == dict.fromkeys(files, 0o600)


def test_down_of_a_sandbox_that_was_never_up_is_fine(tmp_path: Path) -> None:
    stack = Sandbox(tmp_path / "never")

    stack.down()

    assert not (tmp_path / "never").exists()
