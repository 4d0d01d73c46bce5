"""What a person asks to be restored, and what that means for each component. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from onyx_pipelines.errors import SettingsError
from onyx_pipelines.restore.postgres import PostgresRestoreRequest
from onyx_pipelines.restore.qdrant import QdrantRestoreRequest
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.source import Component

if TYPE_CHECKING:
    from onyx_pipelines.restore.volumes import VolumesRestoreRequest

# What is loaded is what is restored: this one brings the clients of Docker.
ComponentRequest: TypeAlias = (
    "PostgresRestoreRequest | QdrantRestoreRequest | VolumesRestoreRequest"
)
_COLLECTIONS = "/collections/"


@dataclass(frozen=True)
class RestoreChoice:
    """Everything of a set, or a part of it, into its original place or another one.

    Args:
        components: none: those that the finer choices belong to, else all of the set.
        tables: "schema.name", of exactly one database.
        paths: relative to the root of exactly one volume.
        into: empty: the original. `postgresql://USER@HOST:PORT[/DATABASE]` or the name of a
            database; `http(s)://HOST:PORT[/collections/NAME]` or the name of a collection; a
            directory. Its password or key comes from ONYX_RESTORE_PG_PASSWORD and
            ONYX_RESTORE_QDRANT_API_KEY.
        with_globals: roles and grants too, where databases are restored.
        keep_old: keep the databases that are replaced, under another name.
        make_devices: device nodes of volumes are restored too (by root).
        despite_differences_of: the whole id of the set: what differs from it takes its place all
            the same, if an earlier call has named those differences.
    """

    components: tuple[Component, ...] = ()
    databases: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    into: str = ""
    with_globals: bool = True
    keep_old: bool = False
    make_devices: bool = False
    despite_differences_of: str = ""

    def refuse_to_force_another(self, backup_id: str) -> None:
        """Raises SettingsError: differences of another set were read, or of single tables."""
        if self.despite_differences_of not in ("", backup_id):
            raise SettingsError(
                f"{self.despite_differences_of} is not the id of the set that is to be restored,"
                f" which is {backup_id}.",
                remedy="Give --force-despite-differences the whole id of the set whose differences"
                " you have read.",
            )
        if self.despite_differences_of and self.tables:
            raise SettingsError(
                "Tables that differ are never copied into a database that is there.",
                remedy="Restore the whole database under another name (--into NAME), and move the"
                " rows by hand.",
            )

    def components_of(self, present: Collection[Component]) -> tuple[Component, ...]:
        """What is to be restored of a set that has `present`, in the order of restoring.

        Raises:
            SettingsError: the set lacks a chosen component, or the choices contradict each other.
        """
        finer = {
            Component.POSTGRESQL: self.databases or self.tables,
            Component.QDRANT: self.collections,
            Component.VOLUMES: self.volumes or self.paths,
        }
        chosen = set(self.components) or {part for part, names in finer.items() if names}
        for part, names in finer.items():
            if names and part not in chosen:
                raise SettingsError(
                    f"{', '.join(names)} would be restored of {part.value}, which was not chosen.",
                    remedy=f"Add --component {part.value}, or leave them out.",
                )
        missing = chosen - set(present)
        if missing:
            raise SettingsError(
                f"The set has no {', '.join(sorted(missing))}.",
                remedy=f"It has: {', '.join(sorted(present)) or 'nothing'}.",
            )
        return tuple(part for part in Component if part in (chosen or set(present)))

    def names_of(self, component: Component) -> tuple[str, ...]:
        """Which databases, collections or volumes of it; none: all of them."""
        names = {
            Component.POSTGRESQL: self.databases,
            Component.QDRANT: self.collections,
            Component.VOLUMES: self.volumes,
        }
        return names[component]

    @property
    def is_within_one(self) -> bool:
        """A part of one database or volume, which is read whole for it."""
        return bool(self.tables or self.paths)

    def request_for(
        self, component: Component, chosen: Collection[Component], settings: Settings
    ) -> ComponentRequest:
        """The request of one component; it may replace what is there.

        Raises:
            SettingsError: `into` does not fit what is restored.
        """
        if self.into and len(chosen) != 1:
            raise SettingsError(
                f"{_shown(self.into)} can take one component; {len(chosen)} are to be restored.",
                remedy="Choose one with --component, and restore the others by calls of their own.",
            )
        if component is Component.POSTGRESQL:
            return self._postgres(settings)
        if component is Component.QDRANT:
            return self._qdrant(settings)
        from onyx_pipelines.restore.volumes import VolumesRestoreRequest

        return VolumesRestoreRequest(
            volumes=self.volumes,
            target=_directory(self.into) if self.into else None,
            paths=self.paths,
            replace=True,
            make_devices=self.make_devices,
        )

    def _postgres(self, settings: Settings) -> PostgresRestoreRequest:
        request = PostgresRestoreRequest(
            databases=self.databases,
            tables=self.tables,
            with_globals=self.with_globals and not self.tables,
            replace=True,
            keep_old=self.keep_old,
        )
        if not self.into:
            return request
        if "://" not in self.into:
            return replace(request, database_as=self.into)
        parts = urlsplit(self.into)
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
            raise _not_a_place(self.into, "a PostgreSQL server")
        _refuse_password(parts.password)
        from onyx_pipelines.sources.postgres.target import PostgresTarget

        return replace(
            request,
            target=PostgresTarget(
                host=parts.hostname,
                port=parts.port or settings.pg_port,
                user=unquote(parts.username or settings.pg_user),
                password=settings.restore_pg_password or settings.pg_password,
                sslmode=settings.pg_sslmode,
            ),
            database_as=unquote(parts.path.lstrip("/")),
        )

    def _qdrant(self, settings: Settings) -> QdrantRestoreRequest:
        request = QdrantRestoreRequest(
            collections=self.collections, replace=True, keep_old=self.keep_old
        )
        if not self.into:
            return request
        if "://" not in self.into:
            return replace(request, collection_as=self.into)
        parts = urlsplit(self.into)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _not_a_place(self.into, "a Qdrant server")
        _refuse_password(parts.password)
        server, _, name = self.into.partition(_COLLECTIONS)
        return replace(
            request,
            url=server.rstrip("/"),
            api_key=SecretStr(
                settings.restore_qdrant_api_key.get_secret_value()
                or settings.qdrant_api_key.get_secret_value()
            ),
            collection_as=unquote(name),
        )


def _directory(into: str) -> Path:
    if "://" in into:
        raise _not_a_place(into, "a directory")
    return Path(into).absolute()


def _refuse_password(password: str | None) -> None:
    if password is not None:
        raise SettingsError(
            "A password on the command line can be read by every user of this host.",
            remedy="Leave it out of the address, and set ONYX_RESTORE_PG_PASSWORD or"
            " ONYX_RESTORE_QDRANT_API_KEY (or the variable with _FILE).",
        )


def _not_a_place(into: str, wanted: str) -> SettingsError:
    return SettingsError(
        f"{_shown(into)} is not {wanted}.",
        remedy="`onyx restore --help` shows what --into takes for each component.",
    )


def _shown(into: str) -> str:
    """Without the user and password that an address may hold."""
    scheme, separator, rest = into.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else repr(into)
