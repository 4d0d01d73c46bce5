"""Secrets that others can read, and passwords that everybody knows: named, never shown."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from onyx_pipelines.core.settings import NAMES, PREFIX, Settings
from onyx_pipelines.core.settings.layers import files_with_secrets

# What the parts of this stack are shipped with, and what people type instead.
KNOWN_PASSWORDS: Final = frozenset(
    {
        *("admin", "administrator", "changeit", "changeme", "default", "grafana", "guest"),
        *("hunter2", "letmein", "litellm", "minioadmin", "onyx", "passw0rd", "password"),
        *("password1", "postgres", "prometheus", "qdrant", "qwerty", "redis", "root", "s3cret"),
        *("secret", "suna", "supabase", "test", "welcome"),
        *("123456", "12345678", "123456789", "sk-1234", "sk-litellm-master-key"),
        # Supabase's own .env.example.
        "your-super-secret-and-long-postgres-password",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
        "this_password_is_insecure_and_should_be_updated",
    }
)
_SHORTEST: Final = 8
# URLs and tokens of others: nothing to guess, and a user's name is none of theirs.
_USERS: Final = {
    "pg_password": "pg_user",
    "drill_pg_password": "drill_pg_user",
    "dagster_password": "dagster_user",
    "smtp_password": "smtp_user",
    "metrics_password": "metrics_user",
}
# Docker mounts secrets readable for everybody in the container, which is their only user.
_DOCKER_SECRETS: Final = Path("/run/secrets")


def weakness(value: str, user: str = "") -> str:
    """What is wrong with a password; empty: nothing that can be seen from here."""
    if value.lower() in KNOWN_PASSWORDS:
        return "is one that everybody knows"
    if user and value.lower() == user.lower():
        return "is its user's name"
    if len(value) < _SHORTEST:
        return f"has fewer than {_SHORTEST} characters"
    return ""


def weak_passwords(settings: Settings) -> list[str]:
    """A sentence for each secret setting that everybody knows, that is a name, or short."""
    found = []
    for name in NAMES:
        secret = getattr(settings, name)
        if not isinstance(secret, SecretStr) or not secret.get_secret_value():
            continue
        user = getattr(settings, _USERS[name]) if name in _USERS else ""
        said = weakness(secret.get_secret_value(), user)
        if said:
            found.append(f"{PREFIX}{name.upper()} {said}")
    return found


def exposed_files(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Files with secrets that this user's group or others may read, or that others may replace."""
    return [
        f"{path} ({stat.filemode(path.stat().st_mode)})"
        for path in sorted(set(_secret_files(settings, environment)))
        if _is_exposed(path)
    ]


def _secret_files(settings: Settings, environment: Mapping[str, str]) -> Iterator[Path]:
    for name in NAMES:
        named = environment.get(f"{PREFIX}{name.upper()}_FILE")
        if named and isinstance(getattr(settings, name), SecretStr):
            yield Path(named)
    yield from files_with_secrets(type(settings), settings.stack)
    yield from filter(None, (settings.private_key_file, settings.signing_key_path))
    yield settings.tokens_file
    yield from filter(None, (store.secret_access_key_file for store in settings.stores))
    yield from (Path.cwd() / name for name in (".env", "deploy/.env"))
    yield Path(environment.get("PGPASSFILE") or Path.home() / ".pgpass")


def _is_exposed(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        # What is missing or hidden is another check's.
        return False
    if path.resolve().is_relative_to(_DOCKER_SECRETS) and not mode & (stat.S_IWGRP | stat.S_IWOTH):
        return False
    return bool(mode & (stat.S_IRWXG | stat.S_IRWXO))
