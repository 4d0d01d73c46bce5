"""A database of a set made under a name: created, set up, filled, and given what belongs to it. A
drill and a real restore take these very steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import psycopg
from psycopg import sql

from onyx_pipelines.core.errors import RestoreError, SourceError
from onyx_pipelines.host.processes import ProgramError
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.archive_listing import (
    DatabaseStatements,
    Setting,
    read_statements,
)
from onyx_pipelines.restore.postgres.bound_extensions import (
    BoundExtension,
    bound_extensions,
    without,
)
from onyx_pipelines.restore.postgres.differences import HostLimits
from onyx_pipelines.restore.postgres.loading import DatabaseObjects, DumpArchive
from onyx_pipelines.restore.postgres.marked_databases import (
    as_dumped,
    beside,
    commented,
    inside,
    marked,
    refusal,
)
from onyx_pipelines.restore.postgres.rewording import in_the_words_of
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.catalog_query import digest
from onyx_pipelines.sources.postgres.content import (
    read_content_like,
    read_inventory,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.inventory import server_major
from onyx_pipelines.sources.postgres.target import PostgresTarget

# A library that the server lacks keeps everybody out of the database.
_LIBRARIES: Final = frozenset({"session_preload_libraries", "local_preload_libraries"})
_PROVIDERS_SINCE: Final = 15
_OF_TEMPLATE: Final = (
    "SELECT spcname FROM pg_tablespace t JOIN pg_database d ON d.dattablespace = t.oid"
    " WHERE datname = 'template0'"
)
_LOCALES: Final = {"icu": sql.SQL("ICU_LOCALE {}"), "builtin": sql.SQL("BUILTIN_LOCALE {}")}


@dataclass(frozen=True)
class Staged:
    """`complaints`: what went wrong. `comment`: the statement that comments the database, which
    until it is in its place has a comment of ours. `late`: what it can have only there."""

    name: str
    complaints: tuple[str, ...]
    limits: HostLimits
    comment: str | None
    late: tuple[BoundExtension, ...] = ()


@dataclass(frozen=True)
class Staging:
    """Where databases are made.

    Args:
        with_roles: whether the set's roles are there, so that owners and grants can be restored.
        may_lack_locale: whether a database may get another locale where the server lacks its own.
    """

    target: PostgresTarget
    binaries: Binaries
    with_roles: bool = True
    may_lack_locale: bool = False

    def make(self, database: DatabaseObjects, name: str, archive: DumpArchive) -> Staged:
        """Settings come before the data, which may need them; those that the server refuses are
        tried again at the end.

        Raises:
            RestoreError: the server cannot have such a database.
            SourceError: the server was lost.
            IntegrityError, NotFoundError: the dump is not what the manifest says.
        """
        spaces = self._tablespaces(database.facts, name)
        limits = HostLimits(tablespaces=tuple(k for k, there in spaces.items() if there is None))
        limits = replace(limits, locale=self._create(database.facts, name, spaces))
        with beside(self.target, name) as connection:
            connection.execute(marked(name))
        try:
            archive.read_contents(self.binaries)
            said = self._statements(archive, database, name)
        except ProgramError as error:
            return Staged(name, (error.what,), limits, None)
        encoding = database.facts.encoding
        refused = self._apply_settings(name, encoding, said.settings)
        late = tuple(
            each for each in bound_extensions(database.facts) if self.place_of(each, name) != name
        )
        complaints = loading.load_dump(
            self.target,
            self.binaries,
            name,
            database,
            archive,
            with_owners=self.with_roles,
            with_tablespaces=not limits.tablespaces,
            leaves_out=lambda entry: any(each.has(entry) for each in late),
        )
        notes = self._detach_subscriptions(name)
        refused = self._apply_settings(name, encoding, [setting for setting, _ in refused])
        settings = {_as_difference(setting): why for setting, why in refused}
        complaints += self._apply(name, encoding, said.others)
        limits = replace(limits, settings=settings, notes=notes)
        return Staged(name, complaints, limits, said.comment, late)

    def place_of(self, extension: BoundExtension, name: str) -> str:
        """The database of the server that may have it; empty: the server does not load it."""
        with beside(self.target, name) as connection:
            row = connection.execute(
                "SELECT current_setting(%s, true)", (extension.parameter,)
            ).fetchone()
        return str(row[0] or "") if row else ""

    def compared(
        self, database: DatabaseObjects, staged: Staged
    ) -> tuple[DatabaseFacts, DatabaseFacts]:
        """What the database was, in the restored server's words, and what the staged one is."""
        expected, found = self.compared_in_place(database, staged.name, staged.late)
        if found.properties is not None:
            comment = self._comment_in_place(staged, expected.encoding)
            properties = found.properties.model_copy(update={"comment": comment})
            found = found.model_copy(update={"properties": properties})
        return expected, found

    def compared_in_place(
        self, database: DatabaseObjects, name: str, late: Sequence[BoundExtension]
    ) -> tuple[DatabaseFacts, DatabaseFacts]:
        """The same of one that has its name and its comment, without what is `late`."""
        expected = without(database.facts, late)
        with loading.session(self.target, name) as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            use_canonical_settings(connection)
            found = read_content_like(connection, read_inventory(connection), expected)
            connection.execute("COMMIT")
            if expected.format_version > 1:
                expected = in_the_words_of(connection, found, expected)
        return expected, without(found, late)

    def _comment_in_place(self, staged: Staged, encoding: str) -> str | None:
        """The digest of the comment that it will have."""
        of_database = digest("shobj_description(oid, 'pg_database')")
        with (
            inside(self.target, staged.name, encoding) as connection,
            connection.transaction(force_rollback=True),
        ):
            connection.execute(
                as_dumped(staged.comment or commented(staged.name, None).as_string())
            )
            connection.execute("SET LOCAL client_encoding = 'UTF8'")
            row = connection.execute(
                f"SELECT {of_database} FROM pg_database"  # noqa: S608  (constants of ours)
                " WHERE datname = current_database()".encode()
            ).fetchone()
        return row[0] if row else None

    def _statements(
        self, archive: DumpArchive, database: DatabaseObjects, name: str
    ) -> DatabaseStatements:
        properties = database.facts.properties
        said = read_statements(
            archive.contents,
            self.binaries,
            database=database.name,
            name=name,
            owner=properties.owner if properties else "",
        )
        if self.with_roles:
            return said
        settings = tuple(setting for setting in said.settings if setting.role is None)
        about_roles = ("GRANT ", "REVOKE ", "SET ", "RESET ")
        others = tuple(
            each
            for each in said.others
            if not each.startswith(about_roles) and " OWNER TO " not in each
        )
        return DatabaseStatements(settings, others, said.comment)

    def _tablespaces(self, facts: DatabaseFacts, name: str) -> dict[str, str | None]:
        """Those that it wants, and what they are called from here; None: they are not there.

        Each database reads the bytes of such names in its own encoding.
        """
        wanted = {item.tablespace for item in facts.schema_items if item.tablespace}
        if facts.properties is not None:
            wanted.add(facts.properties.tablespace)
        with beside(self.target, name) as connection:
            rows = connection.execute(
                "SELECT convert_to(spcname, getdatabaseencoding()), spcname FROM pg_tablespace"
            ).fetchall()
            codec = "utf-8"
            if facts.encoding != "SQL_ASCII" and not all(map(str.isascii, wanted)):
                connection.execute(sql.SQL("SET client_encoding = {}").format(facts.encoding))
                codec = connection.info.encoding
        there = {each.decode(codec, "replace"): known_as for each, known_as in rows}
        return {space: there.get(space) for space in sorted(wanted)}

    def _create(
        self, facts: DatabaseFacts, name: str, tablespaces: Mapping[str, str | None]
    ) -> str:
        """Empty; gives why it has another locale than the original."""
        with beside(self.target, name) as connection:
            options = _locale_options(facts, server_major(connection))
            space = facts.properties and tablespaces[facts.properties.tablespace]
            # To name it takes a right, also where it is that of the template.
            if space and (space,) != connection.execute(_OF_TEMPLATE).fetchone():
                options.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(space)))
            try:
                connection.execute(_creation(name, facts, options))
                return ""
            except psycopg.Error as error:
                said = str(error).strip()
                if not _is_about_locale(said):
                    raise
            if not self.may_lack_locale:
                raise RestoreError(
                    f"The server cannot have the locale of database {facts.database}: {said}.",
                    remedy="Install the locale of the original server there (locale-gen), or a"
                    " PostgreSQL that is built with ICU.",
                )
            plainest = [sql.SQL("LC_COLLATE 'C' LC_CTYPE 'C'")]
            if server_major(connection) >= _PROVIDERS_SINCE:
                plainest.append(sql.SQL("LOCALE_PROVIDER libc"))
            connection.execute(_creation(name, facts, plainest))
            return f"the server cannot have its locale ({said})"

    def _apply_settings(
        self, name: str, encoding: str, settings: Sequence[Setting]
    ) -> list[tuple[Setting, str]]:
        """Those that the server refused, and what it said."""
        with inside(self.target, name, encoding) as connection:
            said = [(setting, refusal(connection, setting.statement)) for setting in settings]
        refused = [each for each in said if each[1]]
        return refused + self._without_lacking_libraries(name, settings)

    def _without_lacking_libraries(
        self, name: str, settings: Sequence[Setting]
    ) -> list[tuple[Setting, str]]:
        loading_some = [each for each in settings if each.role is None and each.name in _LIBRARIES]
        if not loading_some:
            return []
        try:
            with self.target.connect(name):
                return []
        except SourceError as error:
            said = error.what
        with beside(self.target, name) as connection:
            for setting in loading_some:
                connection.execute(
                    sql.SQL("ALTER DATABASE {} RESET {}").format(
                        sql.Identifier(name), sql.Identifier(setting.name)
                    )
                )
        return [(setting, said) for setting in loading_some]

    def _apply(self, name: str, encoding: str, statements: Sequence[str]) -> tuple[str, ...]:
        """In one session, in their order; gives what the server said to those that it refused."""
        with inside(self.target, name, encoding) as connection:
            return tuple(
                f"{said} ({statement.split(' ')[0]} of the database)"
                for statement in statements
                if (said := refusal(connection, statement))
            )

    def _detach_subscriptions(self, name: str) -> tuple[str, ...]:
        """They are restored disabled; and their slots belong to the database that was backed up."""
        with loading.session(self.target, name) as connection:
            rows = connection.execute(
                "SELECT s.subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
                " WHERE d.datname = current_database() ORDER BY 1"
            ).fetchall()
            for (subscription,) in rows:
                connection.execute(
                    sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(
                        sql.Identifier(subscription)
                    )
                )
        return tuple(
            f"Subscription {subscription} is there, disabled and without a slot: nothing arrives"
            " before somebody gives it one and enables it (ALTER SUBSCRIPTION)."
            for (subscription,) in rows
        )


def _as_difference(setting: Setting) -> str:
    return f"of role {setting.role}: {setting.name}" if setting.role else setting.name


def _is_about_locale(said: str) -> bool:
    lowered = said.lower()
    return any(word in lowered for word in ("locale", "incompatible", "icu", "collat"))


def _creation(name: str, facts: DatabaseFacts, options: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} {}").format(
        sql.Identifier(name), facts.encoding, sql.SQL(" ").join(options)
    )


def _locale_options(facts: DatabaseFacts, major: int) -> list[sql.Composable]:
    options: list[sql.Composable] = [
        sql.SQL("LC_COLLATE {} LC_CTYPE {}").format(facts.collation, facts.ctype)
    ]
    properties = facts.properties
    if properties is None or major < _PROVIDERS_SINCE:
        return options
    options.append(sql.SQL("LOCALE_PROVIDER {}").format(sql.Identifier(properties.locale_provider)))
    locale = _LOCALES.get(properties.locale_provider)
    if locale is not None:
        options.append(locale.format(properties.locale))
    if properties.icu_rules is not None:
        options.append(sql.SQL("ICU_RULES {}").format(properties.icu_rules))
    return options
