"""The tap in front of a real server, with the real k6 behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pandas as pd
import pytest

from onyx_pipelines.load_test.k6.binary import K6
from onyx_pipelines.load_test.k6.rows import read_rows
from onyx_pipelines.load_test.k6.unit_process import rows_file, run_unit
from onyx_pipelines.load_test.plan import Unit
from onyx_pipelines.load_test.results import Block, Scenario
from onyx_pipelines.load_test.streaming.tap_process import running_tap
from onyx_pipelines.load_test.target import Target
from onyx_pipelines_tests.load_test.small_target import SmallTarget
from onyx_pipelines_tests.waiting import wait_until

TOKEN = b'data: {"type": "message_delta", "content": "a"}\n\n'
CHAT = Unit(Scenario.CHAT, Block.BASELINE, users=3, messages=2)


def sent_through_the_tap(k6: K6, small: SmallTarget, folder: Path) -> pd.DataFrame:
    target = Target(small.url)
    with running_tap(target) as tap:
        run_unit(
            k6,
            CHAT,
            target,
            folder,
            run_id="run",
            address=tap.address_of(target.address_of(Scenario.CHAT)),
            longest_s=20,
            max_error_rate=1,
            watch=lambda *_: None,
        )
    return read_rows(rows_file(folder), CHAT).samples


@pytest.mark.measures
def test_the_first_token_is_timed_though_the_headers_came_at_once(
    k6: K6, small: SmallTarget, tmp_path: Path
) -> None:
    heartbeat = b'data: {"type": "chat_heartbeat"}\n\n'
    small.behaviour.stream = ((0.05, heartbeat), (0.2, TOKEN), (0.1, TOKEN), (0.1, TOKEN))

    rows = sent_through_the_tap(k6, small, tmp_path)

    assert len(rows) == 6
    # What else the machine does makes some later, and none earlier.
    assert 245 <= rows["first_token_ms"].min() < 440
    assert set(rows["tokens"]) == {3.0}
    whole = rows[["blocked_ms", "sending_ms", "waiting_ms", "receiving_ms"]].sum(axis=1)
    assert 445 <= whole.min() < 900
    # What k6 alone would have called the first byte.
    assert rows["waiting_ms"].median() < 200


def test_the_account_at_the_end_of_a_stream_is_kept(
    k6: K6, small: SmallTarget, tmp_path: Path
) -> None:
    account = b"event: server-timing\ndata: total;dur=55, llm;dur=50\n\n"
    small.behaviour.stream = ((0.0, TOKEN), (0.0, account))

    rows = sent_through_the_tap(k6, small, tmp_path)

    assert set(rows["server_timing"]) == {"total;dur=55, llm;dur=50"}


def test_what_is_no_stream_passes_as_it_is(small: SmallTarget) -> None:
    small.behaviour.status = 429
    small.behaviour.headers = {"Retry-After": "3"}
    with running_tap(Target(small.url)) as tap:
        answer = httpx.post(f"{tap.origin}/x?y=1", json={"a": 1}, trust_env=False)

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert answer.content == small.behaviour.body
    assert small.behaviour.seen[0][1] == "/x?y=1"


def test_a_stream_that_breaks_off_is_no_success(k6: K6, small: SmallTarget, tmp_path: Path) -> None:
    small.behaviour.hang_up = True

    rows = sent_through_the_tap(k6, small, tmp_path)

    assert set(rows["status"]) == {0}
    assert set(rows["error"]) <= {"RemoteProtocolError", "ReadError"}


def test_the_comment_is_one_json_object(small: SmallTarget) -> None:
    small.behaviour.stream = ((0.0, TOKEN),)
    with running_tap(Target(small.url)) as tap:
        body = httpx.post(f"{tap.origin}/x", trust_env=False).text

    told = json.loads(body.rsplit(": onyx-tap ", 1)[1])
    assert told["tokens"] == 1
    assert told["first_token"] > 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX")
def test_the_tap_ends_with_whoever_started_it(small: SmallTarget) -> None:
    program = (
        "import sys, time\n"
        "from onyx_pipelines.load_test.streaming.tap_process import running_tap\n"
        "from onyx_pipelines.load_test.target import Target\n"
        "with running_tap(Target(sys.argv[1])) as tap:\n"
        "    print(tap.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, small.url], stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        tap_pid = int(starter.stdout.readline())
        starter.kill()

    wait_until(lambda: not _runs(tap_pid), "the tap ends")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"
