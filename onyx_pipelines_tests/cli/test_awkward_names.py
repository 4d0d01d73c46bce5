"""Whatever strangers called their files, hosts, runs and reasons: every command shows it as it is,
breaks on none, and sends nothing of it to the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer.core
from hypothesis import HealthCheck, given, settings

from onyx_pipelines.cli import drill as drilling
from onyx_pipelines.cli import restore
from onyx_pipelines.core.text import printable
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.load_test.baselines import Baseline
from onyx_pipelines.load_test.plan import Profile
from onyx_pipelines.load_test.running.run_folder import RunFolder, RunRecord
from onyx_pipelines.reporting.publish import Published
from onyx_pipelines.restore.engine import PlannedChange
from onyx_pipelines.restore.estimate import Estimate
from onyx_pipelines.restore.results import ComponentResult, DrillResult, Finding
from onyx_pipelines.restore.whole_restore import RestorePlan
from onyx_pipelines.sources.source import Component
from onyx_pipelines_tests.cli.all_commands import call, command_of, is_group, words_of_all
from onyx_pipelines_tests.cli.awkward_names import AWKWARD, arguments, names, unprintable
from onyx_pipelines_tests.fixtures_sandbox import Answer, HostUnderTest, make_host
from onyx_pipelines_tests.load_test.factories import ENVIRONMENT

EVERYTHING = "".join(AWKWARD)
# They go on until they are stopped, or start servers.
SERVING = {("api", "serve"), ("errors", "relay"), ("sandbox", "up"), ("sandbox", "down")}
ALL_THAT_END = [words for words in words_of_all() if not is_group(words) and words not in SERVING]
ONE_BY_ONE = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
RUN_KEY = "0123456789abcdef"
NOW = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostUnderTest]:
    """With a set of files of every such name."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("awkward")
        patch.chdir(root)
        host = make_host(root, patch)
        host.volume.mkdir()
        for name in AWKWARD:
            if "/" not in name:
                (host.volume / name).write_text("x", encoding="utf-8")
        host.set(VOLUMES=f"data={host.volume}", REPORTS_DIR=root / "reports")
        host.run()
        yield host


def assert_harmless(answer: Answer) -> None:
    assert answer.status in {0, 1, 2}, answer.everything
    assert "has a fault" not in answer.errors, answer.everything
    assert not unprintable(answer.everything)


def shown(answer: Answer, name: str) -> bool:
    """Whether it is there in full, wherever the table broke its lines."""
    return "".join(printable(name).split()) in "".join(answer.output.replace("│", "").split())


def filled(words: tuple[str, ...], name: str) -> list[str]:
    """The command with the name in every argument and every option that takes any text."""
    called = list(words)
    for parameter in command_of(words).params:
        if isinstance(parameter, typer.core.TyperArgument):
            called.append(name)
        elif parameter.opts[0] in {"--reason", "--path", "--into", "--name", "--label", "--table"}:
            called += [parameter.opts[0], name]
    return called


def with_each_option(words: tuple[str, ...], value: str) -> Iterator[list[str]]:
    """The value in all arguments, and in each option that takes one."""
    parameters = command_of(words).params
    count = sum(isinstance(each, typer.core.TyperArgument) for each in parameters)
    yield [*words, *[value] * count]
    for each in parameters:
        if isinstance(each, typer.core.TyperOption) and not each.is_flag:
            yield [*words, *["latest"] * count, each.opts[0], value]


@pytest.mark.parametrize("words", ALL_THAT_END, ids=" ".join)
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_every_command_called_with_every_name(
    host: HostUnderTest,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    more: tuple[str, ...],
) -> None:
    answer = call(capsys, *filled(words, EVERYTHING), *more)

    assert_harmless(answer)
    if more:
        json.loads(answer.output)


@pytest.mark.parametrize(
    "value",
    [
        "/",
        *(
            pytest.param(each, marks=pytest.mark.thorough)
            for each in ("", "99999999999999999999", "0001-01-01")
        ),
    ],
)
def test_every_option_of_every_command_with_what_it_does_not_take(
    host: HostUnderTest, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    for words in ALL_THAT_END:
        for called in with_each_option(words, value):
            assert_harmless(call(capsys, *called))


@ONE_BY_ONE
@given(name=arguments)
def test_a_reason_for_holding_a_set(
    host: HostUnderTest, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    held = call(capsys, "hold", "latest", "--reason", name)
    listed = call(capsys, "catalog", "list")
    pruned = call(capsys, "prune")
    recorded = call(capsys, "audit", "show", "--action", "hold")

    for answer in (held, listed, pruned, recorded):
        assert_harmless(answer)
    if held.status == 0:
        assert all(shown(each, name.strip()) for each in (held, listed, pruned))


@pytest.mark.parametrize("name", [each for each in AWKWARD if "/" not in each])
def test_a_file_in_a_plan_of_a_restore(
    host: HostUnderTest, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    answer = call(capsys, "restore", "latest", "--volume", "data", "--path", name)

    assert_harmless(answer)
    if name.isprintable():
        assert shown(answer, f"{name} of volume data")


@pytest.mark.parametrize("name", ["[id].tsx", "[/srv/files]", "a\x1b[2K\u202e"])
def test_a_directory_that_a_setting_names(
    host: HostUnderTest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    monkeypatch.setenv("ONYX_VOLUMES", f"data={tmp_path / name}")
    monkeypatch.setenv("ONYX_HOST_NAME", name)

    for words in (("doctor",), ("backup", "run"), ("keys", "recipients"), ("audit", "show")):
        assert_harmless(call(capsys, *words))


@ONE_BY_ONE
@given(name=names)
def test_what_a_drill_found(capsys: pytest.CaptureFixture[str], name: str) -> None:
    finding = Finding(
        verdict=Verdict.FAILED, item=name, aspect="rows", message=name, expected=name, found=name
    )
    component = ComponentResult(
        component=Component.VOLUMES, findings=(finding,), steps=(), plain_bytes=0
    )
    result = DrillResult(
        drill_id="d",
        backup_id=name,
        store=name,
        recovery_point=NOW,
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=3),
        objective_s=60,
        components=(component,),
    )

    path = Path(name)
    drilling.show(result, Published(path, path, path))

    assert_shown(capsys, name)


@ONE_BY_ONE
@given(name=names)
def test_what_a_restore_would_do(capsys: pytest.CaptureFixture[str], name: str) -> None:
    change = PlannedChange(what=name, target=name, overwrites=True, detail=name)
    plan = RestorePlan(
        backup_id=name,
        store=name,
        recovery_point=NOW,
        changes={Component.VOLUMES: (change,)},
        estimate=Estimate(None, name),
        notes=(name,),
    )

    restore.show_plan(plan, safety=True)

    assert_shown(capsys, name)


@pytest.mark.parametrize("name", [each for each in AWKWARD if "\udcff" not in each])
def test_the_label_the_target_and_the_baseline_of_a_load_test(
    host: HostUnderTest, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    environment = ENVIRONMENT.model_copy(update={"fingerprint": name})
    RunFolder(host.root / "state", RUN_KEY).path.mkdir(parents=True, exist_ok=True)
    (RunFolder(host.root / "state", RUN_KEY).path / "run.json").write_text(
        RunRecord(
            run_key=RUN_KEY,
            label=name,
            profile=Profile(name=name),
            target=name,
            environment=environment,
            started_at=NOW,
        ).model_dump_json(),
        encoding="utf-8",
    )
    baselines = host.root / "state" / "load-test-baselines"
    baselines.mkdir(exist_ok=True)
    (baselines / f"20261126T040000Z-{RUN_KEY}.json").write_text(
        Baseline(
            baseline_id="b",
            run_key=RUN_KEY,
            fingerprint=name,
            promoted_at=NOW,
            promoted_by=name,
            reason=name,
            series={},
            sweep=(),
        ).model_dump_json(),
        encoding="utf-8",
    )

    for words in (("load-test", "list"), ("load-test", "baseline", "list")):
        answer = call(capsys, *words)
        assert_harmless(answer)
        assert answer.status == 0
        assert shown(answer, name)


def assert_shown(capsys: pytest.CaptureFixture[str], name: str) -> None:
    captured = capsys.readouterr()
    answer = Answer(0, captured.out, captured.err)
    assert_harmless(answer)
    assert shown(answer, name)
