"""What is installed from a wheel: the product, without the sandbox of demo and tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
# Whatever else is installed, the package is that of the wheel.
RUN_FROM_WHEEL = """
import sys
sys.meta_path = [each for each in sys.meta_path if "Editable" not in getattr(each, "__name__", "")]
sys.path.insert(0, sys.argv.pop(1))
from onyx_pipelines.cli import main
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built offline, of a copy: a build leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "onyx_pipelines", source / "onyx_pipelines", ignore=ignored)
    for name in ("pyproject.toml", "setup.cfg", "README.md"):
        shutil.copy(ROOT / name, source)
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--wheel-dir", folder)
    command = [sys.executable, "-m", "pip", "wheel", *options, source]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    [built] = folder.glob("*.whl")
    return built


def test_it_holds_every_other_file_of_the_package_and_nothing_of_the_sandbox(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        inside = {each for each in archive.namelist() if each.startswith("onyx_pipelines/")}

    package = ROOT / "onyx_pipelines"
    files = {
        each.relative_to(ROOT).as_posix()
        for each in package.rglob("*")
        if each.is_file() and not {"__pycache__", "sandbox"} & {*each.relative_to(package).parts}
    }
    assert inside == files


def test_onyx_sandbox_says_in_a_sentence_how_to_get_it(wheel: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN_FROM_WHEEL, wheel, "sandbox", "status"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert "This installation has no sandbox" in done.stderr
    assert "make install" in done.stderr
    assert "Traceback" not in done.stderr
