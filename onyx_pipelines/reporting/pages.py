"""From a view model to a page: one file with no scripts and no outside address.

Whatever a template shows is escaped, and what does not print stands as its escape; only what is
`Markup` already (a chart) is not. So a foreign name can become an element nowhere by mistake.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from onyx_pipelines.core import text
from onyx_pipelines.reporting.palette import DARK, LIGHT, role
from onyx_pipelines.reporting.tables import as_cell

_HERE: Final = Path(__file__).parent


def render(template: str, *, stack: str = "", **names: object) -> str:
    """The page of `templates/<template>.html.j2`, which sees `names` and most of `text`. `stack`
    stands before its title, where it has a name."""
    return _ENVIRONMENT.get_template(f"{template}.html.j2").render(
        light=_variables(LIGHT), dark=_variables(DARK), of=f"{stack}: " if stack else "", **names
    )


def _shown(value: object) -> object:
    return value if isinstance(value, Markup) else text.printable(str(value))


def _variables(palette: dict[str, str]) -> str:
    return "".join(f"--{role}:{colour};" for role, colour in palette.items())


_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader((_HERE / "templates", _HERE)),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(
    cell=as_cell,
    count=text.count_text,
    duration=text.duration_text,
    latency=text.latency_text,
    moment=text.moment_text,
    place=lambda percent: f"{percent:.2f}%",
    role=role,
    second=text.second_text,
    size=text.size_text,
    words=text.words,
)
