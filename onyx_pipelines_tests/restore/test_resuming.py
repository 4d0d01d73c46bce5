"""An interrupted restore of a database and a volume: what the same command takes for done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.progress import Progress, silent
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.whole_restore import RestoreResult, restore_set
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.unfinished_restore import refuse_while_restoring
from onyx_pipelines_tests.fixtures_postgres import (
    execute,
    make_database,
    postgres_server,
    public_dir,
    wheel,
)
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

__all__ = ["make_database", "postgres_server", "public_dir", "wheel"]

pytestmark = pytest.mark.slow


class Interrupted(BaseException):
    """As a kill: nobody handles it."""


@dataclass(frozen=True)
class Stack:
    """A database and a volume with one set, and both changed since."""

    host: HostUnderTest
    server: PostgresServer
    database: str

    def restore(
        self,
        *,
        until: Component | None = None,
        safety_backup: Callable[[frozenset[Component]], str] | None = None,
        **choice: object,
    ) -> RestoreResult:
        """`until`: it is interrupted at the first byte of that component."""

        def watch(progress: Progress) -> None:
            if progress.component is until:
                raise Interrupted

        return restore_set(
            self.host.settings,
            RestoreChoice(with_globals=False, **choice),  # type: ignore[arg-type]  # keywords that a test names
            backup_id="latest",
            store_name="local",
            safety_backup=safety_backup,
            command="onyx restore",
            progress=watch if until else silent,
        )

    def interrupted(self) -> None:
        """The database is in its place, the volume is not."""
        with pytest.raises(Interrupted):
            self.restore(until=Component.VOLUMES)

    def oid(self) -> object:
        with self.server.connect(self.database) as connection:
            query = "SELECT oid FROM pg_database WHERE datname = current_database()"
            return connection.execute(query).fetchall()

    def rows(self) -> int:
        with self.server.connect(self.database) as connection:
            return len(connection.execute("SELECT FROM t").fetchall())

    def lose_a_row(self) -> None:
        execute(self.server, self.database, "DELETE FROM t WHERE n = 1")

    def greeting(self) -> str:
        return (self.host.volume / "greeting.txt").read_text(encoding="utf-8")

    def age_the_journal(self, age: timedelta) -> None:
        (path,) = (self.host.settings.state_dir / "restores").glob("*.json")
        record = json.loads(path.read_bytes())
        then = (datetime.now(UTC) - age).isoformat()
        # Killed, it leaves this too.
        record |= {"written_at": then, "started_at": then, "changing_by": "onyx restore"}
        path.write_text(json.dumps(record), encoding="utf-8")


@pytest.fixture
def stack(
    volume_host: HostUnderTest, postgres_server: PostgresServer, make_database: Callable[..., str]
) -> Stack:
    database = make_database()
    execute(
        postgres_server,
        database,
        "CREATE TABLE t (n int PRIMARY KEY)",
        "INSERT INTO t SELECT generate_series(1, 3)",
    )
    volume_host.set(
        PG_HOST=postgres_server.host,
        PG_PORT=postgres_server.port,
        PG_USER=postgres_server.user,
        PG_PASSWORD=postgres_server.password,
        PG_DATABASES=database,
    )
    volume_host.run()
    stack = Stack(volume_host, postgres_server, database)
    stack.lose_a_row()
    (volume_host.volume / "greeting.txt").write_text("goodbye", encoding="utf-8")
    return stack


def test_within_a_day_it_is_compared_again_and_not_touched(stack: Stack) -> None:
    stack.interrupted()
    before = stack.oid()

    result = stack.restore()

    assert result.verdict is Verdict.PASSED, result.components
    assert (stack.oid(), stack.rows()) == (before, 3)
    assert stack.greeting().startswith("hello")
    assert list((stack.host.settings.state_dir / "restores").iterdir()) == []


def test_what_has_changed_since_is_left_and_is_no_pass(stack: Stack) -> None:
    stack.interrupted()
    stack.lose_a_row()

    result = stack.restore()

    (database, volume) = result.components
    assert (database.verdict, volume.verdict) == (Verdict.FAILED, Verdict.PASSED)
    assert {each.item for each in database.problems()} == {stack.database}
    assert stack.rows() == 2
    assert stack.greeting().startswith("hello")


def test_after_sixty_days_it_is_another_restore(stack: Stack) -> None:
    """Which backs up first what it then replaces, although the old one was killed."""
    stack.interrupted()
    stack.age_the_journal(timedelta(days=60))
    (path,) = (stack.host.settings.state_dir / "restores").glob("*.json")
    old = json.loads(path.read_bytes())["restore_id"]
    stack.lose_a_row()
    taken: list[frozenset[Component]] = []

    def back_up(parts: frozenset[Component]) -> str:
        refuse_while_restoring(stack.host.settings.state_dir)
        taken.append(parts)
        return "a-safety-backup"

    result = stack.restore(safety_backup=back_up)

    assert (result.verdict, stack.rows()) == (Verdict.PASSED, 3)
    assert taken == [{Component.POSTGRESQL, Component.VOLUMES}]
    assert result.restore_id != old


def test_what_is_gone_since_is_restored_again(stack: Stack) -> None:
    stack.interrupted()
    execute(stack.server, "postgres", f"DROP DATABASE {stack.database} WITH (FORCE)")

    result = stack.restore()

    assert (result.verdict, stack.rows()) == (Verdict.PASSED, 3)


def test_another_choice_takes_nothing_for_done(stack: Stack, tmp_path: Path) -> None:
    stack.interrupted()
    stack.lose_a_row()

    result = stack.restore(databases=(stack.database,))

    assert (result.verdict, stack.rows()) == (Verdict.PASSED, 3)
