"""The page on security fills in all of the template."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onyx_pipelines_tests.web.nginx import TEMPLATE

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def test_the_page_sets_every_name_of_the_template() -> None:
    (commands,) = re.findall(r"```sh\n(export DAGSTER_NAME.*?)```", PAGE.read_text(), re.DOTALL)
    exported = set(re.findall(r"\b([A-Z_]+)=", commands.split("envsubst")[0]))
    pattern = re.search(r"grep -oE '([^']+)'", commands)

    wanted = set(re.findall(r"\$\{([A-Z_]+)\}", TEMPLATE.read_text()))

    assert pattern is not None
    assert wanted == exported
    assert all(re.match(pattern[1], name) for name in wanted)
