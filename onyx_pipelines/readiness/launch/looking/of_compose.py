"""Reads the Compose files of the stack: those that its containers' labels name, and those among
ONYX_RECIPE."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from onyx_pipelines.backup.secret_hygiene import KNOWN_PASSWORDS
from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.settings import VolumeSettings
from onyx_pipelines.readiness.launch.facts import SeenCompose, SeenService
from onyx_pipelines.readiness.launch.looking.unable import UnableError
from onyx_pipelines.sources.volumes.compose_files import compose_files, stack_of
from onyx_pipelines.sources.volumes.docker_engine import open_engine
from onyx_pipelines.sources.volumes.engine_places import EnginePlaces

_SUFFIXES: Final = (".yaml", ".yml")
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::?[-?]([^}]*))?\}|\$(\w+)")
_SECRET: Final = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|MASTER_KEY|SALT|JWT", re.I)
_LOOPBACK: Final = ("127.", "[::1]", "::1", "localhost")
_RESTARTS: Final = ("always", "unless-stopped", "on-failure")
# Drivers that keep nothing on this host, and the one that rotates by itself.
_BOUNDED_DRIVERS: Final = ("local", "none", "journald", "syslog", "fluentd", "gelf", "awslogs")


class _Loader(yaml.SafeLoader):
    """Compose's own tags (`!reset`, `!override`) give nothing of their own."""


_Loader.add_multi_constructor("!", lambda *_: None)


def compose(settings: VolumeSettings) -> SeenCompose:
    """Every service, the later file over the earlier one. Raises OnyxError."""
    files = list(_files(settings))
    compose_paths = [each for each in files if each.suffix in _SUFFIXES]
    variables = _variables(each for each in files if each.suffix not in _SUFFIXES)
    services: dict[str, dict[str, Any]] = {}
    for path in compose_paths:
        for name, service in _services(path).items():
            services.setdefault(name, {}).update(service)
    if not services:
        raise UnableError(
            "No Compose file of the stack was found.",
            remedy="Name it in ONYX_RECIPE, or let this user reach the Docker engine"
            " (ONYX_DOCKER_HOST).",
        )
    values = {name: value for _, name, value in variables}
    return SeenCompose(
        services=tuple(_service(name, each, values) for name, each in sorted(services.items())),
        weak=tuple(
            dict.fromkeys(
                f"{name} in {path}"
                for path, name, value in (*variables, *_written_in(services))
                if _SECRET.search(name) and _filled(value, values).lower() in KNOWN_PASSWORDS
            )
        ),
    )


def _files(settings: VolumeSettings) -> Iterator[Path]:
    """Each once, in a fixed order."""
    found = {path for each in settings.recipe for path in _in(each)}
    try:
        engine = open_engine(settings.docker_host)
        if engine is not None:
            with engine:
                places = EnginePlaces.of(engine)
                stack = stack_of(engine.containers(), places, settings.volume_paths.values())
                named = compose_files(stack, places)
                _require_readable(named.unread)
                found |= named.readable
    except SourceError:
        if not found:
            raise
    yield from sorted(each for each in found if each.suffix in _SUFFIXES or _is_env_file(each))


def _require_readable(unread: Iterable[Path]) -> None:
    """Raises UnableError: half of a stack proves nothing of the whole."""
    if odd := sorted(each for each in unread if each.suffix in _SUFFIXES):
        raise UnableError(
            f"{odd[0]} is one of the stack's Compose files and cannot be read here.",
            remedy="Let this user read it.",
        )


def _in(path: Path) -> Iterator[Path]:
    """A file, or the files of a directory."""
    if path.is_dir():
        yield from (each for each in path.iterdir() if each.is_file())
    elif path.is_file():
        yield path


def _is_env_file(path: Path) -> bool:
    return path.name.startswith(".env") or path.suffix == ".env"


def _services(path: Path) -> dict[str, dict[str, Any]]:
    """None of a file that is no Compose file."""
    try:
        text = path.read_text(encoding="utf-8")
        written = yaml.load(text, _Loader)  # noqa: S506  (it is a SafeLoader)
    except PermissionError:
        _require_readable([path])
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    services = written.get("services") if isinstance(written, dict) else None
    if not isinstance(services, dict):
        return {}
    return {str(name): each for name, each in services.items() if isinstance(each, dict)}


def _variables(paths: Iterable[Path]) -> list[tuple[str, str, str]]:
    """Path, name and value of each line of the env files."""
    found = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines:
            name, separator, value = line.strip().removeprefix("export ").partition("=")
            if separator and not name.startswith("#"):
                found.append((str(path), name.strip(), value.strip().strip("\"'")))
    return found


def _written_in(services: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """The same of the `environment` of each service."""
    for service, each in services.items():
        environment = each.get("environment")
        if isinstance(environment, list):
            pairs = [str(line).partition("=")[::2] for line in environment]
        else:
            pairs = [(str(name), str(value)) for name, value in _mapping(environment).items()]
        yield from ((f"service {service}", name, value) for name, value in pairs)


def _service(name: str, told: Mapping[str, Any], values: Mapping[str, str]) -> SeenService:
    deployed = _mapping(told.get("deploy"))
    limits = _mapping(_mapping(deployed.get("resources")).get("limits"))
    policy = told.get("restart") or _mapping(deployed.get("restart_policy")).get("condition", "")
    checked = _mapping(told.get("healthcheck"))
    ports = told.get("ports")
    return SeenService(
        name=name,
        image=_filled(str(told.get("image") or ""), values) if not told.get("build") else "",
        restarts=_filled(str(policy), values).startswith((*_RESTARTS, "any")),
        has_healthcheck=bool(checked) and not checked.get("disable", False),
        has_memory_limit=bool(told.get("mem_limit") or limits.get("memory")),
        is_privileged=bool(told.get("privileged")),
        logs_rotate=_rotates(_mapping(told.get("logging"))),
        published=tuple(
            place
            for port in (ports if isinstance(ports, list) else ())
            if (place := _published(port, values))
        ),
    )


def _rotates(logging: Mapping[str, Any]) -> bool:
    driver = str(logging.get("driver") or "json-file")
    return driver in _BOUNDED_DRIVERS or "max-size" in _mapping(logging.get("options"))


def _published(port: object, values: Mapping[str, str]) -> str:
    """`address:port` where others reach it; empty: none do."""
    if isinstance(port, dict):
        address, published = str(port.get("host_ip", "")), str(port.get("published", ""))
    else:
        ahead, _, _ = _filled(str(port), values).partition("/")[0].rpartition(":")
        address, _, published = ahead.rpartition(":")
    if not published or address.startswith(_LOOPBACK):
        return ""
    return f"{address or '0.0.0.0'}:{published}"  # noqa: S104  (what Compose takes it for)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _filled(text: str, values: Mapping[str, str]) -> str:
    """With what the env files say, else the default that stands there."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[3]
        return values.get(name) or os.environ.get(name) or found[2] or ""

    return _VARIABLE.sub(value, text)
