"""Each dashboard is what Grafana's published schemas say: nothing misspelt, nothing missing."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.dashboards.five import dashboards

SCHEMAS: Final = Path(__file__).parents[1] / "data" / "grafana"
DOCUMENTS: Final = {
    each.board.value: json.loads(each.rendered()) for each in dashboards(Thresholds())
}


def problems(kind: str, definition: str, made: Any) -> list[str]:
    schema = json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8"))
    validator = Draft7Validator({**schema, "$ref": f"#/definitions/{definition}"})
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(made)]


def all_problems(document: dict[str, Any]) -> list[str]:
    found = problems("dashboard", "Dashboard", document)
    for panel in document["panels"]:
        found += problems(panel["type"], "Options", panel["options"])
        drawn = panel["fieldConfig"]["defaults"]["custom"]
        found += problems(panel["type"], "FieldConfig", drawn) if drawn else []
        for target in panel["targets"]:
            found += problems("prometheus", "Dataquery", target)
    return found


@pytest.mark.parametrize("board", DOCUMENTS)
def test_a_dashboard_is_what_the_schema_says(board: str) -> None:
    assert all_problems(DOCUMENTS[board]) == []


def renamed(document: dict[str, Any], path: tuple[str | int, ...], name: str) -> dict[str, Any]:
    """With another name for what stands there."""
    made = copy.deepcopy(document)
    place: Any = made
    for part in path[:-1]:
        place = place[part]
    place[name] = place.pop(path[-1])
    return made


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("refresh",), "refreshes"),
        (("links", 0, "asDropdown"), "dropdown"),
        (("panels", 0, "gridPos"), "position"),
        (("panels", 0, "options", "colorMode"), "colourMode"),
        (("panels", 0, "options", "reduceOptions", "calcs"), "calculations"),
        (("panels", 0, "fieldConfig", "defaults", "unit"), "units"),
        (("panels", 0, "targets", 0, "expr"), "expression"),
        (("templating", "list", 0, "type"), "kind"),
    ],
    ids=lambda each: each if isinstance(each, str) else None,
)
def test_a_misspelt_name_is_noticed(path: tuple[str | int, ...], name: str) -> None:
    overview = DOCUMENTS["onyx-system-overview"]

    assert all_problems(renamed(overview, path, name)) != []
