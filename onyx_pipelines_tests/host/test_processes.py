"""Child programs: their failures are errors, and none is left behind."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from onyx_pipelines.host.processes import OutputStream, ProgramError, output_of, text_of
from onyx_pipelines_tests.waiting import wait_until


def _sh(
    script: str, *, stall_timeout_s: float = 10, secrets: Sequence[str] = ()
) -> AbstractContextManager[OutputStream]:
    return output_of(
        ["/bin/sh", "-c", script],
        environment=os.environ,
        stall_timeout_s=stall_timeout_s,
        secrets=secrets,
    )


def _read_all(stream: OutputStream) -> int:
    """How many bytes there were."""
    total = 0
    while data := stream.read():
        total += len(data)
    return total


def _is_gone(pid: int) -> bool:
    """Neither running nor a zombie."""
    return not Path(f"/proc/{pid}").exists()


def test_output_arrives_whole_and_ends_with_an_empty_read() -> None:
    with _sh("printf one; sleep 0.1; printf two") as output:
        pieces = [output.read(), output.read(), output.read()]

    assert pieces == [b"one", b"two", b""]


def test_a_program_that_floods_its_error_stream_does_not_block() -> None:
    with _sh("head -c 1000000 /dev/zero | tr '\\0' x >&2; printf done") as output:
        assert output.read() == b"done"
        assert output.read() == b""


def test_a_failure_after_half_of_the_output_is_an_error_and_not_the_end() -> None:
    with (
        pytest.raises(ProgramError) as caught,
        _sh("head -c 500000 /dev/zero; echo 'disk on fire' >&2; exit 3") as output,
    ):
        _read_all(output)

    assert caught.value.exit_status == 3
    assert caught.value.stderr_tail == "disk on fire"
    assert "sh failed (3): disk on fire" in caught.value.what
    assert not caught.value.transient


def test_death_by_a_signal_is_an_error_that_names_it() -> None:
    with pytest.raises(ProgramError, match="was killed by signal 9"), _sh("kill -9 $$") as output:
        _read_all(output)


def test_only_the_last_lines_of_the_error_stream_are_kept() -> None:
    with pytest.raises(ProgramError) as caught, _sh("seq 1 5000 >&2; exit 1") as output:
        _read_all(output)

    lines = caught.value.stderr_tail.splitlines()
    assert lines == [str(number) for number in range(4976, 5001)]


def test_secrets_are_masked_in_what_a_program_says() -> None:
    with (
        pytest.raises(ProgramError) as caught,
        _sh("echo 'login with hunter2 failed' >&2; exit 1", secrets=["hunter2", ""]) as output,
    ):
        _read_all(output)

    assert "login with [secret] failed" in caught.value.what
    assert "hunter2" not in str(caught.value) + caught.value.stderr_tail


def test_a_program_that_writes_nothing_for_the_stall_timeout_is_ended_and_may_be_retried() -> None:
    with _sh("echo $$; echo waiting >&2; exec sleep 600", stall_timeout_s=1) as output:
        pid = int(output.read())
        with pytest.raises(ProgramError, match=r"wrote nothing for 1 s") as caught:
            output.read()

    assert caught.value.transient
    assert caught.value.stderr_tail == "waiting"
    assert _is_gone(pid)


def test_a_stalled_program_that_floods_its_error_stream_is_still_ended() -> None:
    with _sh("echo $$; yes complaint >&2", stall_timeout_s=1) as output:
        pid = int(output.read())
        with pytest.raises(ProgramError) as caught:
            output.read()

    assert "complaint" in caught.value.stderr_tail
    assert _is_gone(pid)


def test_a_program_that_closes_its_output_and_does_not_end_is_a_transient_failure() -> None:
    with _sh("echo $$; exec >&-; exec sleep 600", stall_timeout_s=1) as output:
        pid = int(output.read())
        with pytest.raises(ProgramError, match="closed its output and did not end") as caught:
            output.read()

    assert caught.value.transient
    assert _is_gone(pid)


def test_a_program_that_ignores_a_request_to_end_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("onyx_pipelines.host.processes._TERMINATE_GRACE_S", 0.3)

    with _sh("trap '' TERM; echo $$; while :; do sleep 0.1; done") as output:
        pid = int(output.read())

    assert _is_gone(pid)


def test_an_exception_in_the_block_ends_the_program_and_its_children() -> None:
    seen: list[int] = []

    def use() -> None:
        with _sh("sleep 600 & echo $! $$; wait") as output:
            seen.extend(int(number) for number in output.read().split())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    child, pid = seen

    assert _is_gone(pid)
    wait_until(lambda: _has_ended(child), "the child ends")


def test_a_child_that_a_program_left_behind_is_killed_and_does_not_block_us() -> None:
    with _sh("sleep 600 >&- & echo $!") as output:
        child = int(output.read())
        assert output.read() == b""

    wait_until(lambda: _has_ended(child), "the child ends")


def _has_ended(pid: int) -> bool:
    """Its parent is gone, so whoever adopts orphans here may leave it a zombie for a while."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
    except OSError:
        return True
    return state in "ZX"


def test_a_program_that_does_not_exist_is_an_error_that_names_it() -> None:
    with (
        pytest.raises(ProgramError, match="/nowhere/pg_dump cannot be started") as caught,
        output_of(["/nowhere/pg_dump"], environment={}, stall_timeout_s=1),
    ):
        pass

    assert caught.value.exit_status is None


def test_a_file_that_is_not_executable_is_an_error_that_names_it(tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("not a program", encoding="utf-8")

    with (
        pytest.raises(ProgramError, match="Permission denied"),
        output_of([program], environment={}, stall_timeout_s=1),
    ):
        pass


def test_a_program_gets_only_the_environment_it_is_given() -> None:
    with output_of(["/usr/bin/env"], environment={"ONLY": "this"}, stall_timeout_s=5) as output:
        assert output.read() == b"ONLY=this\n"


def test_a_large_output_takes_constant_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with _sh("head -c 400000000 /dev/zero") as output:
        total = _read_all(output)

    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert total == 400_000_000
    assert grown_kib < 20_000


def test_no_descriptor_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(5):
        text_of(["/bin/true"])

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_text_of_a_short_program() -> None:
    assert text_of([sys.executable, "-c", "print('zwölf')"]) == "zwölf\n"


def test_a_short_program_that_goes_on_for_ever_is_ended() -> None:
    with pytest.raises(ProgramError, match="was not done after") as caught:
        text_of(["/bin/sh", "-c", "while :; do echo more; sleep 0.05; done"], timeout_s=2)

    assert caught.value.transient
