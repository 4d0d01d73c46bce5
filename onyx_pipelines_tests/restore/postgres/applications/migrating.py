"""Applications of others, each in an environment of its own, and how each makes its database."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage

from onyx_pipelines_tests.application_environments import CACHE, environment_of


@dataclass(frozen=True)
class Application:
    """`migrate`: with its environment, its database's address, and a directory for what it writes.
    `least_tables`: fewer than these, and it was not its migrations that ran."""

    name: str
    least_tables: int
    migrate: Callable[[Path, str, Path], None]
    is_installed: bool = False

    def environment(self) -> Path:
        """Made if need be."""
        return CACHE / self.name if self.is_installed else environment_of(self.name)


def _dagster(environment: Path, url: str, directory: Path) -> None:
    for storage in (PostgresRunStorage, PostgresEventLogStorage, PostgresScheduleStorage):
        made = storage(url)
        made.upgrade()
        made.dispose()


def _litellm(environment: Path, url: str, directory: Path) -> None:
    """The migrations that its package ships are SQL, which Prisma runs in the order of names."""
    (migrations,) = environment.glob("lib/*/site-packages/litellm_proxy_extras/migrations")
    with psycopg.connect(url, autocommit=True) as connection:
        for script in sorted(migrations.glob("*/migration.sql")):
            connection.execute(script.read_bytes())


def _bugsink(environment: Path, url: str, directory: Path) -> None:
    """Django's, with its configuration for containers."""
    (template,) = environment.glob("lib/*/site-packages/bugsink/conf_templates/docker.py.template")
    (directory / "bugsink_conf.py").write_bytes(template.read_bytes())
    _run(
        [environment / "bin" / "bugsink-manage", "migrate"],
        directory,
        {"DATABASE_URL": url, "SECRET_KEY": "x" * 50, "PYTHONPATH": str(directory)},
    )


def _mlflow(environment: Path, url: str, directory: Path) -> None:
    code = (
        "import os\n"
        "from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore\n"
        "SqlAlchemyStore(os.environ['URL'], 'artifacts')\n"
    )
    _run([environment / "bin" / "python", "-c", code], directory, {"URL": url})


def _airflow(environment: Path, url: str, directory: Path) -> None:
    settings = {
        "AIRFLOW_HOME": str(directory),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url.replace("postgresql", "postgresql+psycopg2", 1),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    }
    _run([environment / "bin" / "airflow", "db", "migrate"], directory, settings)


def _run(command: list[str | Path], directory: Path, settings: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


APPLICATIONS: Final = (
    Application("dagster", 10, _dagster, is_installed=True),
    Application("litellm", 40, _litellm),
    Application("bugsink", 30, _bugsink),
    Application("mlflow", 30, _mlflow),
    Application("airflow", 40, _airflow),
)
