"""What a restore has under way on a server: collections, uploads and aliases.

Written before it is done, so the next call takes away what a killed one left there, and nothing
else. However old it is: it stands on the server until somebody takes it away. Aliases are in no
snapshot, and go with a collection.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.restore.findings import not_restored
from onyx_pipelines.restore.qdrant.server import TargetQdrant
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.vault.unfinished_restore import JOURNALS


class Upload(BaseModel):
    """A snapshot file that the server may keep under the name of a collection.

    `is_bare`: there was no such collection, so it is made only to delete the file from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: str
    file: str
    is_bare: bool = False


class _Content(BaseModel):
    # An earlier version wrote more, and other words.
    model_config = ConfigDict(extra="ignore", serialize_by_alias=True)

    staged: list[str] = Field(default=[], alias="beside")
    uploads: list[Upload] = []
    aliases: dict[str, str] = {}


class Leftovers:
    """One file per server; absent where nothing is under way there."""

    def __init__(self, state_dir: Path, url: str) -> None:
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._file = RecordFile(state_dir / JOURNALS / f"qdrant-{name}.journal", _Content)
        try:
            self._content = self._file.read() or _Content()
        except ValidationError:
            self._content = _Content()

    @property
    def staged(self) -> tuple[str, ...]:
        """Collections in the making."""
        return tuple(self._content.staged)

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """Files that may stand on the server."""
        return tuple(self._content.uploads)

    @property
    def aliases(self) -> Mapping[str, str]:
        """Collection by alias: those that go while their collection is made anew."""
        return dict(self._content.aliases)

    def begin(self, staged: str) -> None:
        """Before the collection is made."""
        self._content.staged.append(staged)
        self._write()

    def gone(self, staged: str) -> None:
        self._content.staged.remove(staged)
        self._write()

    def begin_upload(self, collection: str) -> Upload:
        """Before the first byte is sent."""
        upload = Upload(collection=collection, file=f"onyx-{secrets.token_hex(6)}.snapshot")
        self._content.uploads.append(upload)
        self._write()
        return upload

    def make_bare(self, upload: Upload) -> Upload:
        """Before its collection is made only to delete the file from it."""
        bare = upload.model_copy(update={"is_bare": True})
        self._content.uploads = [bare if each == upload else each for each in self.uploads]
        self._write()
        return bare

    def file_gone(self, upload: Upload) -> None:
        self._content.uploads.remove(upload)
        self._write()

    def keep_aliases(self, aliases: Mapping[str, str]) -> None:
        """Before the collection that they mean is deleted."""
        if aliases:
            self._content.aliases.update(aliases)
            self._write()

    def alias_is_back(self, alias: str) -> None:
        del self._content.aliases[alias]
        self._write()

    def _write(self) -> None:
        if self._content == _Content():
            self._file.remove()
        else:
            self._file.write(self._content)


def restore_aliases(
    server: TargetQdrant, aliases: Mapping[str, str], restored: Collection[str]
) -> list[Finding]:
    """Let each alias of a collection that was put in place mean it again.

    Args:
        aliases: collection by alias, as they were.
        restored: the collections.
    """
    wanted = {alias: name for alias, name in sorted(aliases.items()) if name in restored}
    return list(_restored(server, wanted))


def give_back_aliases(server: TargetQdrant, leftovers: Leftovers) -> None:
    """Set those again that went with a collection that was deleted to be made anew.

    Whoever has set one meanwhile knows better; one whose collection is not there yet waits for it.
    """
    if not leftovers.aliases:
        return
    there, collections = server.aliases(), set(server.collections())
    for alias, collection in leftovers.aliases.items():
        is_free = alias not in there and alias not in collections
        if is_free and collection not in collections:
            continue
        if is_free:
            server.point_alias(alias, collection, exists=False)
        leftovers.alias_is_back(alias)


def _restored(server: TargetQdrant, wanted: Mapping[str, str]) -> Iterator[Finding]:
    if not wanted:
        return
    there, collections = server.aliases(), set(server.collections())
    for alias, collection in wanted.items():
        if alias in collections:
            yield Finding.failed(
                alias,
                "alias",
                f"There is a collection named {alias}, so it cannot be an alias again",
                expected=f"an alias of {collection}",
                found="a collection",
            )
            continue
        if there.get(alias) != collection:
            try:
                server.point_alias(alias, collection, exists=alias in there)
            except SourceError as error:
                yield not_restored(alias, error)
                continue
        yield Finding.passed(alias, "alias", f"alias of {collection}")
