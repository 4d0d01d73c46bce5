"""The lines for an existing Compose stack in docs/monitoring.md are complete: every host that is
scraped is there, and so is what is mounted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

from onyx_pipelines.monitoring.rendering import rendered

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
BLOCKS: Final = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
COMPOSE: Final[dict[str, Any]] = next(each for each in BLOCKS if "services" in each)
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
CONFIGURATION: Final[dict[str, Any]] = yaml.safe_load(rendered()["prometheus/prometheus.yml"])


def mounts(service: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Source, target, and whether it is read-only."""
    parts = [each.split(":") for each in service.get("volumes", ())]
    return [(source, target, "ro" in ",".join(rest)) for source, target, *rest in parts]


def test_every_host_that_prometheus_asks_is_there_or_named_as_the_stacks_own() -> None:
    text = rendered()["prometheus/prometheus.yml"]
    asked = set(re.findall(r"(?:- |replacement: |//)([a-z][a-z-]+)(?::\d+|/)", text)) - {
        "localhost"
    }
    extra = {each.split(":")[0] for each in SERVICES["prometheus"]["extra_hosts"]}
    owned = PAGE.split("The stack itself has the hosts")[1].split("(where")[0]

    assert {"postgres-exporter", "blackbox-exporter", "nginx", "onyx-api"} <= asked
    assert asked - SERVICES.keys() - extra == set(re.findall(r"`([a-z-]+)`", owned))


def test_every_secret_that_a_configuration_names_is_told() -> None:
    for program in ("prometheus", "alertmanager"):
        text = rendered()[f"{program}/{program}.yml"]
        named = set(re.findall(rf"/etc/{program}/secrets/(\w+)", text))

        assert named
        assert all(name in PAGE for name in named)
        assert f"/etc/{program}/secrets" in {target for _, target, _ in mounts(SERVICES[program])}


def test_what_is_mounted_from_the_repository_is_in_it() -> None:
    sources = [source for each in SERVICES.values() for source, _, _ in mounts(each)]

    deployed = [source for source in sources if source.startswith("./deploy/")]
    assert len(deployed) == 5
    assert all((ROOT / source).exists() for source in deployed)


def test_nothing_is_mounted_into_what_is_read_only() -> None:
    """The engine could not make the place for it, and the container would not start."""
    for service in SERVICES.values():
        read_only = [target for _, target, is_read_only in mounts(service) if is_read_only]
        targets = [target for _, target, _ in mounts(service)]
        assert not [
            (above, below)
            for above in read_only
            for below in targets
            if below.startswith(f"{above}/")
        ]


def test_the_configuration_is_read_from_where_it_is_mounted() -> None:
    for program in ("prometheus", "alertmanager"):
        option = f"--config.file=/etc/{program}/onyx/{program}.yml"

        assert option in SERVICES[program]["command"]
        assert f"/etc/{program}/onyx" in {target for _, target, _ in mounts(SERVICES[program])}


def test_everything_is_on_the_network_and_only_grafana_has_a_port_of_this_machine() -> None:
    assert all(each["networks"] == ["manus-network"] for each in SERVICES.values())
    ports = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert ports == {"grafana": ["127.0.0.1:3001:3001"]}


def test_secrets_and_volumes_that_are_used_are_declared() -> None:
    used = {name for each in SERVICES.values() for name in each.get("secrets", ())}
    named = {source for each in SERVICES.values() for source, _, _ in mounts(each)}

    assert used == COMPOSE["secrets"].keys()
    assert {name for name in named if not name.startswith(("/", "."))} == COMPOSE["volumes"].keys()


def test_the_probes_module_is_the_one_that_is_described() -> None:
    probe = next(each for each in CONFIGURATION["scrape_configs"] if each["job_name"] == "blackbox")
    described = next(each for each in BLOCKS if "modules" in each)

    assert probe["params"]["module"] == list(described["modules"])
