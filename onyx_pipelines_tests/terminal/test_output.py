"""One place prints, and no text that is not ours is read as formatting."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given

import onyx_pipelines
from onyx_pipelines.core.text import printable
from onyx_pipelines.terminal.output import Writer, bold, print_json, red
from onyx_pipelines_tests.cli.awkward_names import AWKWARD, names, unprintable

PACKAGE = Path(onyx_pipelines.__file__).parent
MAY_FORMAT = {Path("terminal/output.py"), Path("cli/bars.py")}


def printed(write: Callable[[Writer], None]) -> str:
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        write(Writer(stderr=False))
    return stream.getvalue()


@given(names)
def test_a_line_is_one_line_with_every_character_of_the_name(name: str) -> None:
    assert printed(lambda out: out.line("file ", name, red("!"))) == f"file {printable(name)}!\n"


@given(names)
def test_style_changes_no_character(name: str) -> None:
    assert printed(lambda out: out.line(bold(name))) == f"{printable(name)}\n"


@given(names)
@example("[/srv/files]")
def test_a_table_shows_every_character_of_a_cell_and_a_title(name: str) -> None:
    sent = printed(lambda out: out.table(name, (name,), [(name,), (red(name),)]))

    assert not unprintable(sent)
    kept = "".join(sent.split())
    assert kept.count("".join(printable(name).split())) >= 4


@given(names)
def test_a_warning_cannot_look_like_another_one(name: str) -> None:
    assert len(printed(lambda out: out.warning(name)).splitlines()) == 1


@given(names)
def test_json_is_ascii_whatever_it_holds(name: str) -> None:
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        print_json({"name": name})

    assert stream.getvalue().isascii()
    assert not unprintable(stream.getvalue())


@pytest.mark.parametrize("name", AWKWARD)
def test_colours_come_from_style_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)

    assert printed(lambda out: out.line(name)) == f"{printable(name)}\n"
    assert "\x1b[31m" in printed(lambda out: out.line(red("x")))


def test_only_the_printing_layer_knows_rich() -> None:
    knowing = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^\s*(from|import) rich\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert knowing == MAY_FORMAT


def test_nothing_else_writes_to_standard_output() -> None:
    """`echo` and `print` of the command line would send names as they are."""
    offenders = [
        (path.name, node.lineno)
        for path in sorted([*PACKAGE.glob("cli/*.py"), *PACKAGE.glob("terminal/*.py")])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "attr", "") in {"echo", "secho"}
             or getattr(node.func, "id", "") == "print")
    ]  # fmt: skip

    assert not offenders


def test_ids_and_dates_are_whole_on_a_terminal_of_80_columns() -> None:
    def write(out: Writer) -> None:
        out.console.width = 80
        head = ("id", "recovery point", "status", "components", "size", "stores", "kept as", "")
        row = ("4aac2b98", "2026-11-26 16:26:24", "completed", "docker_volumes, postgresql, qdrant")
        out.table("sets", head, [(*row, "1.7 MB", "local, offsite", "daily", "held: [/srv/files]")])

    sent = printed(write)

    assert max(map(len, sent.splitlines())) <= 80
    assert all(each in sent for each in ("4aac2b98", "2026-11-26", "16:26:24", "completed"))


def test_a_path_is_whole_in_a_file_however_long() -> None:
    path = f"/volumes/{'p' * 300}/data"
    rows = [("REPLACED", path, "an explanation " * 30)]

    sent = printed(lambda out: out.table("plan", ("what", "where", "why"), rows))

    assert path in sent
    assert len(sent.splitlines()) > 5
