"""A large Qdrant collection backed up and restored by `onyx`, against curl and restic; the drill of
many small ones. The server is that of QDRANT_TEST_URL; without it, the sandbox's stand-in.
"""

from __future__ import annotations

import hashlib
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy

from bench.table import Line, say
from bench.timing import emptied, medians, need, quiet_disk, shell
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.vault.host_keys import make_missing_keys

POINTS = 150_000
DIMENSIONS = 384
SMALL_COLLECTIONS = 200
SMALL_POINTS = 50
ROUNDS = 5
_PAYLOAD_CHARACTERS = 700
_BATCH = 1_000
_LARGE, _RESTORED = "onyx-bench-large", "onyx-bench-restored"
_SMALL = "onyx-bench-small"
_GREEN_WITHIN_S = 1800.0
_ONYX = f'{sys.executable} -c "from onyx_pipelines.cli import main; main()"'


@dataclass(frozen=True)
class Server:
    """Which Qdrant, and what a person would call it in a table."""

    url: str
    api_key: str
    called: str

    def request(self, method: str, path: str, **options: Any) -> Any:
        headers = {"api-key": self.api_key} if self.api_key else {}
        answer = httpx.request(method, self.url + path, headers=headers, timeout=3600, **options)
        return answer.raise_for_status().json()["result"]

    def drop(self, collection: str) -> None:
        self.request("DELETE", f"/collections/{quote(collection)}")


def run(directory: Path) -> list[Line]:
    """Every command is a process of its own, as people call it; each ends with its data on disk."""
    need("restic", "curl")
    with _server(directory) as server:
        say(f"{server.called}; {POINTS:,} points of {DIMENSIONS} dimensions …")
        try:
            make_collection(server, _LARGE, POINTS, DIMENSIONS)
            environment = new_host(directory / "host", server, [_LARGE])
            return [
                *_backup(directory, server, environment),
                *_restore(directory, server, environment),
                *_drill(directory, server),
            ]
        finally:
            for name in server.request("GET", "/collections")["collections"]:
                if name["name"].startswith("onyx-bench-"):
                    server.drop(name["name"])


@contextmanager
def _server(directory: Path) -> Iterator[Server]:
    url = os.environ.get("QDRANT_TEST_URL", "").rstrip("/")
    if url:
        version = httpx.get(url, timeout=60).json()["version"]
        yield Server(url, os.environ.get("QDRANT_TEST_API_KEY", ""), f"Qdrant {version}")
        return
    with QdrantStandIn(directory / "standin") as standin:
        yield Server(standin.url, "", "the stand-in, which is not Qdrant")


def make_collection(server: Server, name: str, points: int, dimensions: int) -> None:
    """Vectors of noise, and a text for each; what had the name is dropped."""
    server.drop(name)
    body = {"vectors": {"size": dimensions, "distance": "Cosine"}}
    server.request("PUT", f"/collections/{name}", json=body)
    noise, chance = numpy.random.default_rng(7), random.Random(7)
    words = [f"{chance.getrandbits(24):x}"[: chance.randint(2, 6)] for _ in range(3000)]
    for start in range(0, points, _BATCH):
        count = min(_BATCH, points - start)
        vectors = noise.standard_normal((count, dimensions)).round(6).tolist()
        batch = [
            {
                "id": start + number,
                "vector": vector,
                "payload": {"document": start // 8, "text": _text(words, chance)},
            }
            for number, vector in enumerate(vectors)
        ]
        server.request("PUT", f"/collections/{name}/points?wait=true", json={"points": batch})
    deadline = time.monotonic() + _GREEN_WITHIN_S
    while server.request("GET", f"/collections/{name}")["status"] != "green":
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} is not green after {_GREEN_WITHIN_S:.0f} s")
        time.sleep(1)


def _text(words: list[str], chance: random.Random) -> str:
    return " ".join(chance.choices(words, k=_PAYLOAD_CHARACTERS // 5))


def new_host(directory: Path, server: Server, collections: Sequence[str]) -> dict[str, str]:
    """The environment of a host that backs these up, with keys and an empty store."""
    for folder in ("state", "backups", "keys"):
        (directory / folder).mkdir(mode=0o700, parents=True)
    values = {
        "state_dir": directory / "state",
        "backup_dir": directory / "backups",
        "recipients_file": directory / "keys" / "recipients.json",
        "private_key_file": directory / "keys" / "private.json",
        "scratch_dir": directory / "state",
        "reports_dir": directory / "reports",
        "qdrant_url": server.url,
    }
    make_missing_keys(load_settings(values), "bench")
    return {
        **{f"ONYX_{name.upper()}": str(value) for name, value in values.items()},
        "ONYX_QDRANT_API_KEY": server.api_key,
        "ONYX_QDRANT_COLLECTIONS": ",".join(collections),
    }


def _backup(directory: Path, server: Server, environment: dict[str, str]) -> list[Line]:
    """Both ask for a snapshot, store what comes, and delete it on the server."""
    peer = {
        "RESTIC_PASSWORD": "bench",
        "RESTIC_REPOSITORY": str(directory / "restic"),
        "RESTIC_CACHE_DIR": str(directory / "restic-cache"),
    }
    backups, curl = Path(environment["ONYX_BACKUP_DIR"]), _curl(directory, server)
    snapshots = f"{server.url}/collections/{_LARGE}/snapshots"
    store = "restic backup -q --stdin --stdin-filename large.snapshot && sync -f $RESTIC_REPOSITORY"
    cpu: dict[str, list[float]] = {"ours": [], "restic": []}

    def ours() -> float:
        emptied(backups)
        return _timed(cpu["ours"], lambda: shell(f"{_ONYX} backup run --json", environment))

    def restic() -> float:
        emptied(directory / "restic")
        shell("restic init -q", peer)
        return _timed(
            cpu["restic"],
            lambda: shell(
                f"{_made(curl, snapshots)} && {curl} {snapshots}/$name | {store}"
                f" && {curl} -X DELETE {snapshots}/$name",
                peer,
            ),
        )

    seconds = medians(
        {
            "floor: snapshot made and read": lambda: shell(
                f"{_made(curl, snapshots)} && {curl} {snapshots}/$name > /dev/null"
                f" && {curl} -X DELETE {snapshots}/$name"
            ),
            "ours": ours,
            "restic": restic,
        },
        rounds=ROUNDS,
    )
    size = sum(each.stat().st_size for each in backups.rglob("*.sealed"))
    return [
        Line(
            "Qdrant backup / create, curl, restic",
            seconds["ours"] / seconds["restic"],
            1.0,
            "x",
            f"{_detail(seconds, cpu)}; {size / 1e6:.0f} MB sealed; {server.called}",
        )
    ]


def _made(curl: str, snapshots: str) -> str:
    """Makes a snapshot and puts its name into a variable of the shell."""
    found = """sed -E 's/.*"name": ?"([^"]*)".*/\\1/'"""
    return f"name=$({curl} -X POST '{snapshots}?wait=true' | {found})"


def _restore(directory: Path, server: Server, environment: dict[str, str]) -> list[Line]:
    """Ours reads the sealed set, uploads and compares; curl uploads the plain snapshot, and once
    more lets the server check its sum, as ours does where the server is not on this host."""
    plain, curl = directory / "large.snapshot", _curl(directory, server)
    snapshots = f"{server.url}/collections/{_LARGE}/snapshots"
    shell(
        f"{_made(curl, snapshots)} && {curl} {snapshots}/$name > {plain}"
        f" && {curl} -X DELETE {snapshots}/$name"
    )
    target = f"{server.url}/collections/{_RESTORED}"
    checked = f"&checksum={_sha256(plain)}"
    cpu: dict[str, list[float]] = {"ours": [], "curl": []}

    def ours() -> float:
        server.drop(_RESTORED)
        command = f"{_ONYX} restore latest --confirm --no-safety-backup --into {target} --json"
        return _timed(cpu["ours"], lambda: shell(command, environment))

    def upload(asked: str = "") -> float:
        server.drop(_RESTORED)
        command = (
            f"{curl} -X POST -F snapshot=@{plain}"
            f" '{target}/snapshots/upload?wait=true&priority=snapshot{asked}'"
        )
        took = _timed(cpu["curl"], lambda: shell(command))
        for left in server.request("GET", f"/collections/{_RESTORED}/snapshots"):
            server.request("DELETE", f"/collections/{_RESTORED}/snapshots/{left['name']}")
        return took

    seconds = medians(
        {"ours": ours, "curl": upload, "curl, sum checked": lambda: upload(checked)}, rounds=ROUNDS
    )
    server.drop(_RESTORED)
    return [
        Line(
            "Qdrant restore / upload by curl",
            seconds["ours"] / seconds["curl"],
            1.3,
            "x",
            f"{_detail(seconds, cpu)}; {seconds['ours'] - seconds['curl']:.2f} s beside the upload;"
            f" {plain.stat().st_size / 1e6:.0f} MB; {server.called}",
        )
    ]


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _drill(directory: Path, server: Server) -> list[Line]:
    names = [f"{_SMALL}-{number:03d}" for number in range(SMALL_COLLECTIONS)]
    say(f"{SMALL_COLLECTIONS} collections of {SMALL_POINTS} points …")
    for name in names:
        make_collection(server, name, SMALL_POINTS, 32)
    # Of its own: where the large one had been, a set without it would be in doubt.
    small = new_host(directory / "small-host", server, names)
    cpu: dict[str, list[float]] = {"backup": [], "drill": []}
    seconds = medians(
        {
            "backup": lambda: _timed(
                cpu["backup"], lambda: shell(f"{_ONYX} backup run --json", small)
            ),
            "drill": lambda: _timed(
                cpu["drill"], lambda: shell(f"{_ONYX} drill latest --json", small)
            ),
        }
    )
    for name in names:
        server.drop(name)
    what = f"{SMALL_COLLECTIONS} small collections"
    detail = f"{_detail(seconds, cpu)}; {server.called}"
    return [
        Line(f"drill of {what}", seconds["drill"], 15.0, "s", detail),
        Line(f"backup of {what}", seconds["backup"], None, "s", "same run"),
    ]


def _curl(directory: Path, server: Server) -> str:
    """With the key in a file: an argument could be read by everybody."""
    header = directory / "header"
    header.touch(mode=0o600)
    header.write_text(f"api-key: {server.api_key}" if server.api_key else "", encoding="ascii")
    return f"curl -sSf -H @{header}"


def _timed(cpu: list[float], work: Callable[[], object]) -> float:
    """Seconds; notes what the processor did for it, which a busy machine changes less."""
    begun, before = quiet_disk(), _cpu_s()
    work()
    took = time.monotonic() - begun
    cpu.append(_cpu_s() - before)
    return took


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _detail(seconds: dict[str, float], cpu: dict[str, list[float]]) -> str:
    return ", ".join(
        f"{name} {value:.1f} s" + (f" ({min(cpu[name]):.1f} s CPU)" if name in cpu else "")
        for name, value in seconds.items()
    )
