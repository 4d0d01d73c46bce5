"""Files of whose tests `make` asks for none: to import them takes longer than what it runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from onyx_pipelines_tests.servers_of_tests import starts_servers

_WANTED: Final = re.compile(r"(measures|thorough)\b")
_LEFT_OUT: Final = re.compile(r"not \(([\w ]+)\)")
_OF_ALL_TESTS: Final = re.compile(r"^pytestmark = (?:\[[^]]*\]|.*)", re.M)


def is_unwanted(file: Path, markers: str) -> bool:
    """Whether `-m MARKERS`, as the Makefile has it, leaves out all that is in a file of tests."""
    text = file.read_text(encoding="utf-8")
    if wanted := _WANTED.match(markers):
        return f"pytest.mark.{wanted[1]}" not in text
    if not (left_out := _LEFT_OUT.fullmatch(markers)):
        return False
    of_all = "".join(_OF_ALL_TESTS.findall(text))
    names = left_out[1].split(" or ")
    has_one = any(f"pytest.mark.{name}" in of_all for name in names)
    return has_one or ("servers" in names and starts_servers(file))
