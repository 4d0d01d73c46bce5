"""The sandbox's PostgreSQL starts, is found again, stops, and leaves nothing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import NotFoundError, OnyxError
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.server_process import ServerProcess
from onyx_pipelines_tests.planting import plant, replaced


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """PostgreSQL's own user must be able to enter it, which pytest's directories do not let it."""
    directory = Path(tempfile.mkdtemp(prefix="onyx-postgres-"))
    directory.chmod(0o755)
    yield directory / "state"
    shutil.rmtree(directory)


def _processes_of(state_dir: Path) -> list[str]:
    """Command lines that name the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(state_dir) in command:
            found.append(command.decode())
    return found


def test_it_answers_keeps_its_data_and_leaves_no_process(state_dir: Path) -> None:
    with PostgresServer(state_dir) as server, server.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    assert server.pid is None
    assert _processes_of(state_dir) == []
    with server, server.connect() as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    server.stop()
    assert _processes_of(state_dir) == []


def test_another_process_finds_it_and_stops_it(state_dir: Path) -> None:
    script = (
        "import sys; from pathlib import Path;"
        "from onyx_pipelines.sandbox.postgres_server import PostgresServer;"
        "PostgresServer(Path(sys.argv[1])).start()"
    )
    subprocess.run([sys.executable, "-c", script, str(state_dir)], check=True)

    server = PostgresServer.attach(state_dir)

    with server.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server.start().pid == server.pid
    server.stop()
    assert _processes_of(state_dir) == []


def test_several_run_at_once(state_dir: Path) -> None:
    with PostgresServer(state_dir / "a") as one, PostgresServer(state_dir / "b") as other:
        with other.connect() as connection:
            connection.execute("CREATE DATABASE only_here")
        with one.connect() as connection:
            names = connection.execute("SELECT datname FROM pg_database").fetchall()

    assert one.port != other.port
    assert ("only_here",) not in names


def test_a_port_taken_since_the_last_time_is_left_for_another(state_dir: Path) -> None:
    with PostgresServer(state_dir / "a") as running:
        stopped = PostgresServer(state_dir / "b").start()
        stopped.stop()
        description = state_dir / "b" / "postgres.json"
        old, new = f'"port": {stopped.port}', f'"port": {running.port}'
        plant(description, replaced(old.encode(), new.encode()))

        with PostgresServer.attach(state_dir / "b") as again, again.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)

    assert again.port != running.port


def test_a_chosen_port_that_is_taken_is_an_error_with_the_end_of_the_log(state_dir: Path) -> None:
    with (
        PostgresServer(state_dir / "a") as running,
        pytest.raises(OnyxError, match="Address already in use"),
    ):
        PostgresServer(state_dir / "b", port=running.port).start()

    assert _processes_of(state_dir) == []


def test_the_password_is_readable_for_its_owner_only(state_dir: Path) -> None:
    with PostgresServer(state_dir) as server:
        modes = {
            path: stat.S_IMODE(path.stat().st_mode)
            for path in (server.password_path, state_dir / "postgres.json", server.log_path)
        }
        commands = _processes_of(state_dir)

    assert set(modes.values()) == {0o600}
    assert server.password_path.read_text(encoding="utf-8") == server.password
    assert not any(server.password in command for command in commands)


def test_a_directory_where_none_was_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="No PostgreSQL was started"):
        PostgresServer.attach(tmp_path)


def test_root_is_told_of_a_directory_that_postgresqls_user_cannot_enter(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def refuse(_: ServerProcess, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, b"")

    # So that whoever runs the tests sees what root would.
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(ServerProcess, "run", refuse)

    with pytest.raises(OnyxError) as caught:
        PostgresServer(state_dir).start()

    assert commands == [["test", "-x", str(state_dir)]]
    assert f"cannot reach {state_dir}" in caught.value.what
    assert "others may enter" in caught.value.remedy
