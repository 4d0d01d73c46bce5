"""Dependencies point one way, and the domain code knows neither Dagster nor a web framework."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from subprocess import run

import pytest

PACKAGE = Path(__file__).parents[1] / "onyx_pipelines"
FRAMEWORKS = ("dagster", "fastapi", "starlette", "flask", "uvicorn", "typer", "click", "rich")

# folder or module → what it may import of ours, besides itself
ALLOWED = {
    "certificates": set(),
    "errors": set(),
    "progress": set(),
    "telemetry": {"reporting.text"},
    "settings": {"errors"},
    "host": {"errors"},
    "threads": {"lost_interrupts"},
    "lost_interrupts": set(),
    "reporting.text": set(),
    "on_demand": set(),
    "retry_after": set(),
    "notify": {"host", "reporting.text", "retry_after", "telemetry"},
    "audit": {"errors", "host", "settings", "telemetry", "threads", "vault"},
    "sources": {
        "certificates",
        "errors",
        "host",
        "on_demand",
        "progress",
        "retry_after",
        "settings",
        "telemetry",
        "threads",
    },
    "reporting": {"errors", "host", "telemetry"},
    "vault": {
        "errors",
        "host",
        "progress",
        "reporting.text",
        "settings",
        "sources.source",
        "telemetry",
        "lost_interrupts",
        "threads",
    },
}


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def files_of(part: str) -> list[Path]:
    single = PACKAGE / f"{part.replace('.', '/')}.py"
    return [single] if single.exists() else sorted((PACKAGE / part).rglob("*.py"))


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_the_domain_code_imports_no_framework(part: str) -> None:
    offenders = {
        (path.name, name)
        for path in files_of(part)
        for name in imports_of(path)
        if name.split(".")[0] in FRAMEWORKS
    }

    assert files_of(part)
    assert not offenders


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    below = {f"onyx_pipelines.{name}" for name in ALLOWED[part] | {part}}
    offenders = {
        (path.name, name)
        for path in files_of(part)
        for name in imports_of(path)
        if name.startswith("onyx_pipelines.")
        and name not in {"onyx_pipelines.sources", "onyx_pipelines.__version__"}
        and not any(name == allowed or name.startswith(f"{allowed}.") for allowed in below)
    }

    assert not offenders


def test_only_the_command_line_and_the_sandbox_import_the_sandbox() -> None:
    offenders = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in {"sandbox", "cli"}
        for name in imports_of(path)
        if name.startswith("onyx_pipelines.sandbox")
    }

    assert not offenders


@pytest.mark.slow
@pytest.mark.parametrize("module", ["definitions", "api.server", "cli.app"])
def test_what_only_load_tests_compute_with_is_not_loaded_by_every_process(module: str) -> None:
    """Two seconds of CPU in each process of Dagster, of the API and of the command line."""
    heavy = ("pandas", "scipy", "matplotlib", "numpy")
    code = f"""
import sys
import onyx_pipelines.{module}
print(*[name for name in {heavy!r} if name in sys.modules])
"""

    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
