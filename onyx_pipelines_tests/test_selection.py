"""What `make check` runs, and what it leaves out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from onyx_pipelines_tests import servers_of_tests

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
MARKERS = "\n".join(f"    {name}: made up" for name in ("slow", "servers", "thorough", "measures"))
# How the suite's own conftest marks them.
CONFTEST = """
import pytest
from onyx_pipelines_tests.conftest import pytest_collection_modifyitems, pytest_ignore_collect

@pytest.fixture
def sandbox(): ...

@pytest.fixture
def backup_host(sandbox): ...
"""
FILES = {
    "test_logic": "def test_of_logic(tmp_path): ...",
    "test_program": """
        import subprocess
        def test_in_a_file_that_starts_programs(): ...
    """,
    "test_host": """
        from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
        class TestIt:
            def test_of_a_whole_host(self): ...
    """,
    "test_fixtures": """
        import pytest
        def test_with_a_server(sandbox): ...
        def test_with_one_behind_a_fixture(backup_host): ...
        @pytest.mark.parametrize("number", [1, 2])
        def test_with_numbers(number): ...
    """,
    "test_marked": """
        import pytest
        @pytest.mark.slow
        def test_that_is_slow(): ...
        @pytest.mark.thorough
        def test_that_is_thorough(): ...
        @pytest.mark.measures
        def test_that_measures(): ...
    """,
}


def selected_by(target: str, pytester: pytest.Pytester) -> set[str]:
    """Names of the tests that a target of the Makefile would run."""
    done = collected(pytester, *arguments_of(target), **FILES)
    return set(re.findall(r"::(test_\w+)", "\n".join(done.outlines)))


def arguments_of(target: str) -> list[str]:
    makefile = (TESTS.parent / "Makefile").read_text(encoding="utf-8")
    (expression,) = re.findall(rf'^{target}:.*\n\t.*pytest .*-m "(.*)"$', makefile, re.M)
    return ["-m", expression]


def collected(pytester: pytest.Pytester, *arguments: str, **files: str) -> pytest.RunResult:
    pytester.makeini(f"[pytest]\nmarkers =\n{MARKERS}\n")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(**files)
    return pytester.runpytest_inprocess("--collect-only", "-q", *arguments)


def test_make_check_runs_what_needs_no_server_and_is_quick(pytester: pytest.Pytester) -> None:
    assert selected_by("fast-tests", pytester) == {"test_of_logic", "test_with_numbers"}


def test_make_check_does_not_even_import_what_starts_servers(pytester: pytest.Pytester) -> None:
    file = "import subprocess\nraise RuntimeError('imported')"

    done = collected(pytester, *arguments_of("fast-tests"), test_of_servers=file)

    assert done.ret is pytest.ExitCode.NO_TESTS_COLLECTED


def test_make_test_runs_all_but_what_measures_and_make_thorough_the_rest(
    pytester: pytest.Pytester,
) -> None:
    written = set(re.findall(r"def (test_\w+)", "\n".join(FILES.values())))

    assert selected_by("thorough", pytester) == {"test_that_is_thorough"}
    assert selected_by("test", pytester) == written - {
        *("test_that_measures", "test_that_is_thorough")
    }


@pytest.mark.parametrize("name", sorted(servers_of_tests.FIXTURES))
def test_a_fixture_that_is_a_server_is_still_called_so(name: str) -> None:
    assert _written(rf"@pytest\.fixture[^\n]*\n(?:@[^\n]*\n)*def {name}\(|\b{name} = ")


@pytest.mark.parametrize("name", sorted(servers_of_tests.STARTERS))
def test_what_starts_a_server_is_still_called_so(name: str) -> None:
    assert _written(rf"^(?:from \S+ )?import (?:.*\b)?{name}\b|^    {name},$|^class {name}\b")


def test_how_busy_the_machine_is_fails_no_example() -> None:
    now = settings()

    assert now.deadline is None
    assert HealthCheck.too_slow in now.suppress_health_check


def _written(pattern: str) -> bool:
    found = re.compile(pattern, re.MULTILINE)
    return any(found.search(path.read_text(encoding="utf-8")) for path in TESTS.rglob("*.py"))
