"""What helps to write the configuration file: a commented sample, and a JSON Schema for editors."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from onyx_pipelines.core.settings.layers import named_file
from onyx_pipelines.core.settings.part import is_secret
from onyx_pipelines.core.settings.whole import NAMES, PARTS, Settings, own_names

_HEAD = """\
# Configuration of onyx-pipelines. Name this file in ONYX_CONFIG; variables of the environment win.
# A line that begins with # and no space shows a default: remove the # to change it.
# Keep it to its owner (chmod 600) where a secret stands in it.
"""


def sample_yaml() -> str:
    """Every setting as a comment, with its default; without any change it sets nothing."""
    lines = [_HEAD]
    for part in PARTS:
        lines += ["", f"# ---- {(part.__doc__ or '').splitlines()[0].rstrip('.')}", ""]
        for name in own_names(part):
            lines += [*_sample_lines(name, part.model_fields[name]), ""]
    return "\n".join(lines)


def _sample_lines(name: str, field: FieldInfo) -> Iterator[str]:
    for line in textwrap.wrap(field.description or "", 96, break_on_hyphens=False):
        yield f"# {line}"
    for example in field.examples or ():
        import yaml

        text: str = yaml.safe_dump({name: example}, sort_keys=False)
        yield from ("# For example:", *(f"#   {line}" for line in text.splitlines()))
    if is_secret(field):
        yield f'#{named_file(name)}: ""'
    else:
        value = field.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            value = value.model_dump(exclude_defaults=True)
        yield f"#{name}: {json.dumps(value, default=str, ensure_ascii=False)}"


def schema_json() -> str:
    """JSON Schema of the configuration file."""
    schema = Settings.model_json_schema()
    found: dict[str, Any] = schema["properties"]
    properties: dict[str, Any] = {}
    for name in NAMES:
        properties[name] = found[name]
        key = named_file(name)
        if key:
            properties[key] = {
                "type": "string",
                "description": f"Path of a file that holds `{name}`.",
            }
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "onyx.yaml",
        "properties": properties,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
