"""Who depends on a container stops before it and starts after it; who shares its namespace too."""

from __future__ import annotations

from onyx_pipelines.sources.volumes.container_order import (
    in_stop_order,
    needs_healthy,
    with_who_joins,
)
from onyx_pipelines.sources.volumes.docker_engine import Container


def service(name: str, depends_on: str = "", project: str = "onyx", joins: str = "") -> Container:
    labels = {
        "com.docker.compose.project": project,
        "com.docker.compose.service": name,
        "com.docker.compose.depends_on": depends_on,
    }
    return Container(f"id-{name}", name, "running", labels, joins=frozenset(filter(None, [joins])))


def names(containers: list[Container]) -> list[str]:
    return [each.name for each in containers]


def test_what_others_depend_on_stops_last() -> None:
    containers = [
        service("api", "db:service_healthy:false,cache:service_started:true"),
        service("cache"),
        service("db"),
        service("web", "api:service_started:false"),
    ]

    assert names(in_stop_order(containers)) == ["web", "api", "cache", "db"]


def test_without_dependencies_it_is_by_name() -> None:
    assert names(in_stop_order([service("b"), service("c"), service("a")])) == ["a", "b", "c"]


def test_a_service_of_another_project_is_another_one() -> None:
    containers = [service("a"), service("b", "a:service_started:false", project="other")]

    assert names(in_stop_order(containers)) == ["a", "b"]


def test_a_circle_is_cut() -> None:
    containers = [service("a", "b"), service("b", "c"), service("c", "a")]

    assert sorted(names(in_stop_order(containers))) == ["a", "b", "c"]


def test_who_shares_a_namespace_comes_along_however_far() -> None:
    alive = [
        service("a"),
        service("b", joins="id-a"),
        service("c", joins="b"),
        service("d", joins="id-x"),
    ]

    together = with_who_joins([alive[0]], alive)

    assert names(together) == ["a", "b", "c"]
    assert names(in_stop_order(together)) == ["c", "b", "a"]


def test_who_only_depends_on_it_stays() -> None:
    alive = [service("a"), service("b", "a:service_started:false")]

    assert names(with_who_joins([alive[0]], alive)) == ["a"]


def test_health_is_waited_for_where_compose_would() -> None:
    db, api, web = service("db"), service("api", "db:service_healthy:false"), service("web", "db")

    assert needs_healthy(api, db)
    assert not needs_healthy(web, db)
    assert not needs_healthy(db, api)
