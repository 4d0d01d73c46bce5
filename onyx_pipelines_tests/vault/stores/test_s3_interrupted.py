"""Whoever ends a run while S3 hangs waits for no part that is on its way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from onyx_pipelines.sandbox.s3_server import S3Server
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store
from onyx_pipelines_tests.vault.stores.faulty_proxy import Fault, FaultyProxy
from onyx_pipelines_tests.waiting import wait_until

pytestmark = pytest.mark.thorough

SEALING = """
import json, os, sys
from onyx_pipelines.terminal.ending import as_process
from onyx_pipelines.vault.sealing import Sealer
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store
from onyx_pipelines.vault.wrapping import new_sealing_keyset

def seal():
    store = S3Store(S3Location(**json.load(sys.stdin)), stall_timeout_s=600)
    with store.create("sets/a") as output, Sealer(new_sealing_keyset(), b"set/a", output) as sealer:
        for _ in range(40):
            sealer.write(os.urandom(1 << 20))
        sealer.finish()

as_process(seal)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sealed_upload_that_hangs_ends_at_once_and_is_swept_later(
    number: signal.Signals, s3_server: S3Server, s3_location: S3Location, s3_store: S3Store
) -> None:
    hangs = Fault(lambda request: "partNumber=" in request.path, stall=True)
    with (
        FaultyProxy(s3_server.endpoint_url, hangs) as proxy,
        subprocess.Popen(
            [sys.executable, "-c", SEALING],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdin
            place = replace(s3_location, endpoint_url=proxy.endpoint_url)
            process.stdin.write(json.dumps(asdict(place)))
            process.stdin.close()
            process.stdin = None
            wait_until(lambda: hangs.hits >= 2, "two parts are on their way")
            process.send_signal(number)
            _, errors = process.communicate(timeout=120)
        finally:
            process.kill()

    assert process.returncode == 128 + number, errors
    assert list(s3_store.list("")) == []
    later = datetime.now(UTC) + timedelta(hours=1)
    assert s3_store.sweep("", older_than=later) == ["sets/a (unfinished upload)"]
