"""What all parts of the settings are made of: flat names, and lists that an environment variable
writes with commas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

PREFIX = "ONYX_"
SLUG: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"


def variable(name: str) -> str:
    """Of the environment, that sets the field of this name."""
    return f"{PREFIX}{name.upper()}"


def is_secret(field: FieldInfo) -> bool:
    """Whether its value is never shown."""
    return field.annotation is SecretStr


class Part(BaseModel):
    """A part of the settings, whose fields are named like their variables. `Settings` is one of
    each: a function asks for the part that it needs, and is given the whole or only that part."""

    model_config = ConfigDict(frozen=True)


def from_json(value: object) -> object:
    """What a variable of the environment says as JSON, and the file as a list."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "[]")
    except ValueError:
        raise ValueError("is not JSON; it is easier to write in the file") from None


def split(value: object) -> object:
    """Of a list with commas; `\\,` is a comma in an item."""
    if not isinstance(value, str):
        return value
    items = (item.strip().replace("\\,", ",") for item in re.split(r"(?<!\\),", value))
    return tuple(item for item in items if item)


def split_pairs(value: object) -> object:
    """Of `name=value,name=value`."""
    items = split(value)
    if not isinstance(items, tuple):
        return value
    pairs: dict[str, str] = {}
    for item in items:
        name, separator, text = (part.strip() for part in item.partition("="))
        if not separator or not name or not text:
            raise ValueError(f"{item!r} is not of the form name=/path")
        if name in pairs:
            raise ValueError(f"{name!r} is given twice")
        pairs[name] = text
    return pairs


def joined(separator: str) -> BeforeValidator:
    """A list of texts, as a file may write what a variable writes as one text."""

    def join(value: object) -> object:
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return separator.join(value)
        return value

    return BeforeValidator(join)


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(split)]
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
