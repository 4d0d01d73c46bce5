"""A real Bugsink on SQLite, with a project for each of the stack's services."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from onyx_pipelines.host.durable_files import create_durably, replace_durably
from onyx_pipelines.sandbox.errors.bugsink_environment import (
    make_environment,
    manage,
    new_database,
)
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.sandbox.service_process import ServiceProcess

PROJECTS: Final = ("onyx", "suna")
USER: Final = "admin"
_START_TIMEOUT_S: Final = 60.0
# Run by `bugsink-manage shell`: its API makes no destinations of alerts, and no tokens.
_SET_UP: Final = """
import json, os
from alerts.models import MessagingServiceConfig
from bsmain.models import AuthToken
from projects.models import Project, ProjectMembership, ProjectRole
from teams.models import Team
from users.models import User
wanted = json.loads(os.environ["BUGSINK_SET_UP"])
user = User.objects.filter(username=wanted["user"]).first() or User.objects.create_superuser(
    username=wanted["user"], password=wanted["password"])
team, _ = Team.objects.get_or_create(name="onyx")
token = AuthToken.objects.first() or AuthToken.create_full_access()
dsns = {}
for name in wanted["projects"]:
    project, is_new = Project.objects.get_or_create(name=name, team=team, defaults={"slug": name})
    if is_new:
        ProjectMembership.objects.create(
            project=project, user=user, accepted=True, role=ProjectRole.ADMIN)
    MessagingServiceConfig.objects.filter(project=project, kind="custom").delete()
    if wanted["webhook_url"]:
        MessagingServiceConfig.objects.create(project=project, kind="custom", display_name="relay",
            config=json.dumps({"webhook_url": wanted["webhook_url"]}))
    dsns[name] = project.dsn
print(json.dumps({"token": token.token, "dsns": dsns}))
"""


class Access(BaseModel):
    """How it is reached: secrets, so the file that keeps them is for its owner only.

    Args:
        dsns: where events of a project go, by its name.
    """

    model_config = ConfigDict(frozen=True)

    token: str
    dsns: dict[str, str]


class BugsinkServer(ServiceProcess):
    """Outlives its starter; found again in `state_dir`. About 110 MB, and 3 s to start.

    Its quotas are wide: a test may send in a minute what a stack sends in a day. It calls webhooks
    on this machine, which it does not by default.
    """

    def __init__(self, state_dir: Path, environment_dir: Path) -> None:
        super().__init__(state_dir, "bugsink")
        self._environment_dir = environment_dir

    def start(self, *, webhook_url: str = "", projects: Sequence[str] = PROJECTS) -> None:
        """Make its environment and database if need be, and start it.

        Args:
            webhook_url: is told of each issue that is new, came back or was unmuted; "": nobody.

        Raises:
            OnyxError: it could not be installed, or did not answer.
        """
        if self.pid is not None:
            return
        make_environment(self._environment_dir)
        self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not self._database.exists():
            new_database(self._environment_dir, self._database)
        access = self.set_up(webhook_url=webhook_url, projects=projects)
        replace_durably(self._access_path, access.model_dump_json().encode(), mode=0o600)
        replace_durably(self.token_path, access.token.encode(), mode=0o600)
        self.serve(
            [
                *(self._environment_dir / "bin" / "gunicorn", "bugsink.wsgi"),
                *("--bind", f"{HOST}:{self.port}", "--chdir", self.state_dir),
                # One process, as SQLite has one writer; an event that waits blocks no other.
                *("--workers", "1", "--threads", "4", "--log-level", "warning"),
            ],
            {**self._variables(), "DJANGO_SETTINGS_MODULE": "bugsink_conf"},
            ready_path="/health/ready",
            timeout_s=_START_TIMEOUT_S,
        )

    def set_up(self, *, webhook_url: str, projects: Sequence[str] = PROJECTS) -> Access:
        """Projects, made if need be, and who is told of their issues; also while it runs.

        Raises:
            OnyxError: it could not be set up.
        """
        wanted = {
            "projects": list(projects),
            "webhook_url": webhook_url,
            "user": USER,
            "password": self.password,
        }
        said = manage(
            self._environment_dir,
            self.state_dir,
            {**self._variables(), "BUGSINK_SET_UP": json.dumps(wanted)},
            *("shell", "--verbosity", "0", "--command", _SET_UP),
        )
        return Access.model_validate_json(said.splitlines()[-1])

    @property
    def access(self) -> Access:
        """Of the server that was started."""
        return Access.model_validate_json(self._access_path.read_bytes())

    @property
    def token_path(self) -> Path:
        """Of its API's token alone, for settings that name a file."""
        return self.state_dir / "bugsink.token"

    @property
    def password(self) -> str:
        """Of its only user, `USER`, for its pages."""
        return self._secret("password")

    def _variables(self) -> dict[str, str]:
        settings = {
            "BASE_URL": self.url,
            "PHONEHOME": False,
            "SINGLE_USER": True,
            "INGEST_STORE_BASE_DIR": str(self.state_dir / "ingestion"),
            "ALERTS_WEBHOOK_OUTBOUND_MODE": "allowlist_only",
            "ALERTS_WEBHOOK_ALLOW_LIST": [HOST],
            "ALERTS_WEBHOOK_DENY_NON_GLOBAL": False,
            **{
                f"MAX_EVENTS_PER_{whose}{time}": 1_000_000
                for whose in ("", "PROJECT_PER_")
                for time in ("5_MINUTES", "HOUR", "MONTH")
            },
        }
        return {
            "SECRET_KEY": self._secret("key"),
            "DATABASE_PATH": str(self._database),
            "SNAPPEA_DATABASE_PATH": str(self.state_dir / "snappea.sqlite3"),
            "BUGSINK_SETTINGS": json.dumps(settings),
            "NO_PROXY": "*",
        }

    def _secret(self, what: str) -> str:
        path = self.state_dir / f"bugsink.{what}"
        if not path.exists():
            self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
            create_durably(path, secrets.token_urlsafe(48).encode(), mode=0o600)
        return path.read_text(encoding="ascii")

    @property
    def _database(self) -> Path:
        return self.state_dir / "bugsink.sqlite3"

    @property
    def _access_path(self) -> Path:
        return self.state_dir / "bugsink.json"
