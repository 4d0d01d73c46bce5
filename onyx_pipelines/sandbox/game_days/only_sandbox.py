"""Only a sandbox is broken on purpose: what its own files describe, on this machine's loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.sandbox.ports import HOST

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.stack import Sandbox

# Of whoever rehearses there.
LOCK: Final = "game-day.lock"
_REMEDY: Final = "Name the directory of a sandbox (--state-dir), or an empty one for a new sandbox."


class NotTheSandboxError(OnyxError):
    """What a rehearsal was pointed at is not a sandbox, or not only one. Nothing was touched.

    Cause: a directory of something else, or settings there that lead to other servers.
    Remedy: name the directory of a sandbox, or an empty one; `onyx sandbox down` and a new one.
    """

    code = "not-the-sandbox"


def require_sandbox(sandbox: Sandbox) -> None:
    """Of one that was never up, an empty directory is enough.

    Raises:
        NotTheSandboxError: it is something else, or its settings lead to other servers.
    """
    folder = sandbox.state_dir
    if not (folder / "environment.json").exists():
        # One that was killed while it was made has our lock already.
        if folder.exists() and any(folder.iterdir()) and not (folder / LOCK).exists():
            raise NotTheSandboxError(
                f"{folder} is not empty, and no sandbox is described there.", remedy=_REMEDY
            )
        return
    told = sandbox.environment()
    own = {
        "ONYX_STATE_DIR": str(folder / "state"),
        "ONYX_BACKUP_DIR": str(folder / "backups"),
        "ONYX_PG_HOST": HOST,
        "ONYX_PG_PORT": str(sandbox.postgres.port),
        "ONYX_QDRANT_URL": sandbox.qdrant.url,
        "ONYX_LOAD_TEST_URL": sandbox.app.url,
    }
    strange = [name for name, value in own.items() if told.get(name) != value]
    strange += [
        name
        for name, value in told.items()
        if name.endswith("_URL") and "://" in value and not _is_here(value)
    ]
    if strange:
        raise NotTheSandboxError(
            f"The settings in {folder} lead to something else than its own servers:"
            f" {', '.join(dict.fromkeys(strange))}.",
            remedy=_REMEDY,
        )


def _is_here(address: str) -> bool:
    """A bucket has a name and no host; its server is in another setting."""
    parts = urlsplit(address)
    return parts.scheme == "s3" or parts.hostname == HOST
