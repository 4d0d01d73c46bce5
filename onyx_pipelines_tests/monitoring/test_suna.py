"""The front end's module, in a real Node: our families, on a port that few may read."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from onyx_pipelines.monitoring.metrics import IN_FLIGHT, LATENCY, MAKERS, REQUESTS
from onyx_pipelines.sandbox.ports import free_port
from onyx_pipelines_tests.requirements_of_tests import program
from onyx_pipelines_tests.waiting import wait_until

MODULE: Final = Path(__file__).parents[2] / "deploy" / "suna"
PASSWORD: Final = "4f1c-not-to-be-guessed"


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installed as a front end would: by its lock."""
    folder = tmp_path_factory.mktemp("suna") / "module"
    shutil.copytree(MODULE, folder, ignore=shutil.ignore_patterns("node_modules"))
    command = [
        program("npm"),
        "ci",
        "--omit=dev",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)
    return folder / "metrics.mjs"


@dataclass(frozen=True)
class FrontEnd:
    port: int
    metrics_port: int

    def get(self, path: str, method: str = "GET") -> None:
        with suppress(httpx.HTTPError):  # some answers are meant to break off
            httpx.request(method, f"http://127.0.0.1:{self.port}{path}", trust_env=False)

    def metrics(self, path: str = "/metrics", secret: str = PASSWORD) -> httpx.Response:
        url = f"http://127.0.0.1:{self.metrics_port}{path}"
        return httpx.get(url, auth=("metrics", secret), trust_env=False)

    def families(self) -> dict[str, Metric]:
        text = self.metrics().text
        return {each.name: each for each in text_string_to_metric_families(text)}

    def counted(self) -> dict[tuple[str, str, str], float]:
        """By method, route and status."""
        samples = self.families()["onyx_http_requests"].samples
        names = ("method", "route", "status")
        return {tuple(one.labels[name] for name in names): one.value for one in samples}  # type: ignore[misc] # three names


@contextmanager
def front_end(
    module: Path, folder: Path, *, password: str = PASSWORD, allowed: str = "127.0.0.0/8"
) -> Iterator[FrontEnd]:
    secret = folder / "password"
    secret.write_text(f"{password}\n")
    found = FrontEnd(free_port(), free_port())
    script = Path(__file__).with_name("front_end.mjs")
    arguments = [module, secret, allowed, str(found.port), str(found.metrics_port)]
    with subprocess.Popen(
        [program("node"), script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            if process.stdout.readline() != b"ready\n":
                assert process.stderr
                raise RuntimeError(process.stderr.read().decode())
            yield found
        finally:
            process.kill()


@pytest.fixture
def suna(module: Path, tmp_path: Path) -> Iterator[FrontEnd]:
    with front_end(module, tmp_path) as found:
        yield found


def test_its_families_are_those_of_the_schema(suna: FrontEnd) -> None:
    """Names, kinds, texts, labels and buckets."""
    registry = CollectorRegistry()
    for family in (REQUESTS, LATENCY, IN_FLIGHT):
        metric = MAKERS[family.kind](family, registry)
        if family.labels:
            metric.labels(*("x" for _ in family.labels))
    ours = list(text_string_to_metric_families(generate_latest(registry).decode()))
    suna.get("/ok")

    theirs = suna.families()

    for each in ours:
        if each.name.endswith("_created"):
            continue
        found = theirs[each.name]
        assert (found.type, found.documentation) == (each.type, each.documentation)
        assert _shape(found) == _shape(each)


def _shape(metric: Metric) -> set[tuple[str, frozenset[str], str]]:
    return {
        (one.name, frozenset(one.labels), one.labels.get("le", "").removesuffix(".0"))
        for one in metric.samples
    }


def test_every_end_of_a_request_is_counted_as_what_it_was(suna: FrontEnd) -> None:
    for path in ("/ok", "/empty", "/missing", "/stream", "/breaks-off", "/raises"):
        suna.get(path)
    suna.get("/ok", "PROPFIND")

    assert suna.counted() == {
        ("GET", "/ok", "200"): 1,
        ("OTHER", "/ok", "200"): 1,
        ("GET", "/empty", "204"): 1,
        ("GET", "/threads/[id]", "404"): 1,
        ("GET", "/stream", "200"): 1,
        ("GET", "/breaks-off", "500"): 1,
        ("GET", "/raises", "500"): 1,
    }


def test_a_streamed_answer_is_timed_to_its_last_byte(suna: FrontEnd) -> None:
    suna.get("/stream")

    samples = suna.families()["onyx_http_request_duration_seconds"].samples
    (seconds,) = [one.value for one in samples if one.name.endswith("_sum")]
    assert seconds >= 0.19


def test_a_client_that_goes_away_is_no_error_and_is_in_flight_no_more(suna: FrontEnd) -> None:
    with httpx.stream("GET", f"http://127.0.0.1:{suna.port}/for-ever", trust_env=False) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        (in_flight,) = suna.families()["onyx_http_requests_in_flight"].samples
        assert in_flight.value == 1

    wait_until(lambda: suna.families()["onyx_http_requests"].samples, "it is seen to be gone")
    assert suna.counted() == {("GET", "/for-ever", "499"): 1}
    (in_flight,) = suna.families()["onyx_http_requests_in_flight"].samples
    assert in_flight.value == 0


def test_only_prometheus_reads_it(suna: FrontEnd) -> None:
    assert suna.metrics().status_code == 200
    assert suna.metrics(secret="wrong").status_code == 401
    assert suna.metrics(path="/").status_code == 404


def test_whoever_connects_from_elsewhere_is_refused(module: Path, tmp_path: Path) -> None:
    with front_end(module, tmp_path, allowed="10.0.0.0/8") as suna:
        assert suna.metrics().status_code == 403


@pytest.mark.parametrize("password", ["changeme", "short", "metrics", "Password1"])
def test_a_password_that_everybody_knows_is_refused_and_not_shown(
    module: Path, tmp_path: Path, password: str
) -> None:
    with (
        pytest.raises(RuntimeError, match="is one to guess") as refused,
        front_end(module, tmp_path, password=password),
    ):
        pass

    assert f'"{password}"' not in str(refused.value)


def test_its_lock_has_hashes_and_names_no_registry() -> None:
    packages = json.loads((MODULE / "package-lock.json").read_text())["packages"]

    locked = {name: each for name, each in packages.items() if name}
    assert all(each["integrity"].startswith("sha512-") for each in locked.values())
    assert not any("resolved" in each for each in locked.values())
