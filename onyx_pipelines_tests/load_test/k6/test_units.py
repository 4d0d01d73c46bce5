"""The real k6 against a real server: every request leaves a row, and what k6 hides is seen."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from pydantic import SecretStr

from onyx_pipelines.load_test.k6.binary import K6
from onyx_pipelines.load_test.k6.rows import read_rows
from onyx_pipelines.load_test.k6.unit_process import UnitRun, rows_file, run_unit
from onyx_pipelines.load_test.plan import Unit
from onyx_pipelines.load_test.results import Block, Scenario
from onyx_pipelines.load_test.target import Target
from onyx_pipelines_tests.load_test.small_target import SmallTarget

pytestmark = pytest.mark.measures

BASELINE = Unit(Scenario.RAG, Block.BASELINE, users=4, messages=3)


def sent(
    k6: K6,
    unit: Unit,
    url: str,
    folder: Path,
    *,
    token: str = "",
    longest_s: float = 20,
    max_error_rate: float = 1,
) -> tuple[UnitRun, pd.DataFrame]:
    target = Target(url, SecretStr(token))
    run = run_unit(
        k6,
        unit,
        target,
        folder,
        run_id="run",
        address=target.address_of(unit.scenario),
        longest_s=longest_s,
        max_error_rate=max_error_rate,
        watch=lambda *_: None,
    )
    return run, read_rows(rows_file(folder), unit).samples


def test_every_user_sends_all_of_its_messages(k6: K6, small: SmallTarget, tmp_path: Path) -> None:
    run, rows = sent(k6, BASELINE, small.url, tmp_path)

    assert run.exit_status == 0
    assert len(rows) == 12
    assert sorted(rows.groupby("vu").size()) == [3, 3, 3, 3]
    assert set(rows["status"]) == {200}


def test_the_times_are_those_that_a_user_waits(k6: K6, small: SmallTarget, tmp_path: Path) -> None:
    small.behaviour.delay_s = 0.08

    _, rows = sent(k6, BASELINE, small.url, tmp_path)

    whole = rows[["blocked_ms", "sending_ms", "waiting_ms", "receiving_ms"]].sum(axis=1)
    assert whole.min() >= 80
    assert (whole - (rows["ended_ms"] - rows["started_ms"])).abs().median() < 30


def test_the_servers_own_account_is_kept(k6: K6, small: SmallTarget, tmp_path: Path) -> None:
    small.behaviour.headers = {"Server-Timing": "total;dur=12.5, pg;dur=3"}

    _, rows = sent(k6, BASELINE, small.url, tmp_path)

    assert set(rows["server_timing"]) == {"total;dur=12.5, pg;dur=3"}


def test_a_dead_target_is_rows_with_errors_and_not_silence(k6: K6, tmp_path: Path) -> None:
    run, rows = sent(k6, BASELINE, "http://127.0.0.1:1", tmp_path)

    # k6 itself calls this a success.
    assert run.exit_status == 0
    assert len(rows) == 12
    assert set(rows["status"]) == {0}
    assert all("refused" in text for text in rows["error"])


def test_a_server_that_hangs_up_is_an_error_of_its_request(
    k6: K6, small: SmallTarget, tmp_path: Path
) -> None:
    small.behaviour.hang_up = True

    _, rows = sent(k6, BASELINE, small.url, tmp_path)

    assert len(rows) == 12
    assert set(rows["status"]) == {0}


def test_refusals_say_when_to_come_again(k6: K6, small: SmallTarget, tmp_path: Path) -> None:
    small.behaviour.status = 429
    small.behaviour.headers = {"Retry-After": "2"}

    _, rows = sent(k6, BASELINE, small.url, tmp_path)

    assert set(rows["status"]) == {429}
    assert set(rows["retry_after_s"]) == {2.0}


def test_a_unit_that_takes_too_long_is_cut_off_and_has_too_few_rows(
    k6: K6, small: SmallTarget, tmp_path: Path
) -> None:
    small.behaviour.delay_s = 1.5

    run, rows = sent(k6, BASELINE, small.url, tmp_path, longest_s=2)

    assert run.exit_status == 0
    assert len(rows) < 12


def test_a_target_that_only_fails_is_spared(k6: K6, small: SmallTarget, tmp_path: Path) -> None:
    small.behaviour.status = 500
    unit = Unit(Scenario.RAG, Block.SWEEP, users=8, duration_s=30)

    run, _ = sent(k6, unit, small.url, tmp_path, max_error_rate=0.5)

    assert "requests failed, more than 50 %" in run.aborted
    assert run.ended_ms - run.started_ms < 15_000


def test_an_open_unit_keeps_its_rate(k6: K6, small: SmallTarget, tmp_path: Path) -> None:
    unit = Unit(Scenario.RAG, Block.OPEN, users=20, duration_s=3, rate_per_s=40)

    _, rows = sent(k6, unit, small.url, tmp_path)

    assert 110 <= len(rows) <= 125


def test_the_token_is_sent_and_stands_in_no_argument(
    k6: K6, small: SmallTarget, tmp_path: Path
) -> None:
    token = "planted-load-test-token"
    seen: list[bytes] = []
    target = Target(small.url, SecretStr(token))
    small.behaviour.delay_s = 0.3

    run_unit(
        k6,
        BASELINE,
        target,
        tmp_path,
        run_id="run",
        address=target.address_of(BASELINE.scenario),
        longest_s=20,
        max_error_rate=1,
        watch=lambda *_: seen.extend(_arguments_of_children()),
    )

    assert small.behaviour.seen[0][2]["Authorization"] == f"Bearer {token}"
    assert any(b"k6" in each for each in seen)
    assert not any(token.encode() in each for each in seen)
    assert token not in (tmp_path / "k6.log").read_text()
    assert token not in rows_file(tmp_path).read_text()


def _arguments_of_children() -> list[bytes]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                found.append((entry / "cmdline").read_bytes())
            except OSError:
                continue
    return found
