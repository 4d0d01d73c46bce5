"""What a person asks to be restored, of which components and where to. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.sources.source import Component


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
        parts = tuple(part for part in Component if part in (chosen or set(present)))
        if self.into and len(parts) != 1:
            raise SettingsError(
                f"{_shown(self.into)} can take one component; {len(parts)} are to be restored.",
                remedy="Choose one with --component, and restore the others by calls of their own.",
            )
        return parts

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

    def address(self, schemes: Collection[str], noun: str) -> SplitResult | None:
        """Of the server that `into` names; None where it names none.

        Raises:
            SettingsError: it is the address of something else, or holds a password.
        """
        if "://" not in self.into:
            return None
        parts = urlsplit(self.into)
        if parts.scheme not in schemes or not parts.hostname:
            raise not_a_place(self.into, noun)
        if parts.password is not None:
            raise SettingsError(
                "A password on the command line can be read by every user of this host.",
                remedy="Leave it out of the address, and set ONYX_RESTORE_PG_PASSWORD or"
                " ONYX_RESTORE_QDRANT_API_KEY (or the variable with _FILE).",
            )
        return parts


def not_a_place(into: str, wanted: str) -> SettingsError:
    return SettingsError(
        f"{_shown(into)} is not {wanted}.",
        remedy="`onyx restore --help` shows what --into takes for each component.",
    )


def _shown(into: str) -> str:
    """Without the user and password that an address may hold."""
    scheme, separator, rest = into.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else repr(into)
