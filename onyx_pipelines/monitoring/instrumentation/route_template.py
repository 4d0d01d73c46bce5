"""Which route a request took, never its path: a path names people, and each would be a series."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

UNMATCHED: Final = "<unmatched>"
_PARAMETER: Final = re.compile(r"\{([^{}:]+)(?::[^{}]*)?\}")
# Should a framework keep a parameter to itself, its value must not become a label.
_VALUE: Final = re.compile(r"\d+|[0-9a-f]{12,}|[0-9a-f-]{32,36}|.*[@%].*", re.IGNORECASE)


def route_template(scope: MutableMapping[str, Any], own_root: str = "") -> str:
    """`/api/items/{item_id}` of an ASGI request that Starlette or FastAPI has routed.

    Their route knows the end of its path; what it was mounted or included under is what remains of
    the request's path, with the values of its parameters taken out.

    Args:
        own_root: `root_path` of the server, before anything was routed.
    """
    route = scope.get("route")
    end = getattr(route, "path_format", None) or getattr(route, "path", None)
    if not isinstance(end, str):
        return UNMATCHED
    names = _PARAMETER.findall(end)
    parameters = {name: str(value) for name, value in scope.get("path_params", {}).items()}
    concrete = _PARAMETER.sub(lambda found: parameters.get(found[1], ""), end)
    path = str(scope["path"])
    template = _PARAMETER.sub(r"{\1}", end)
    if not path.endswith(concrete):
        # A converter has changed a value ("007" is 7): the prefix cannot be told from it.
        return template
    above = {name: value for name, value in parameters.items() if name not in names}
    prefix = path.removesuffix(concrete).removeprefix(own_root)
    return f"{_without_values(prefix, above)}{template}"


def _without_values(prefix: str, parameters: Mapping[str, str]) -> str:
    names = {value: name for name, value in parameters.items()}
    return "/".join(
        f"{{{names[part]}}}" if part in names else "{value}" if _VALUE.fullmatch(part) else part
        for part in prefix.split("/")
    )
