"""docs/reference/rest_api.md, written from the API's own OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from docs.making.words import anchor, one_line
from onyx_pipelines.api.app import create_app
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.reporting.markdown import code, table

_HEAD: Final = """# REST API: every request

Generated from the OpenAPI description by `make docs`; do not edit. [The REST API](../api.md) says
how to sign in, what the scopes are, and how requests are judged; `/docs` of a running server is
the same description, to be tried. What is refused is answered with a [`Problem`](#problem).
"""


def page() -> str:
    """The whole page."""
    description = create_app(load_settings({})).openapi()
    requests = [
        (f"{method.upper()} {path}", operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    requests.sort(key=lambda request: request[0].split()[1])
    contents = table(
        ["request", "scope", "what it does"],
        [
            [f"[`{name}`](#{anchor(name)})", _scope(operation), operation["description"]]
            for name, operation in requests
        ],
    )
    sections = [_request(name, operation) for name, operation in requests]
    schemas = description["components"]["schemas"]
    models = [_model(name, schemas[name]) for name in sorted(schemas)]
    return "\n".join([_HEAD, contents, "", *sections, "## Models", "", *models])


def _request(name: str, operation: Mapping[str, Any]) -> str:
    parts = [
        f"## {name}",
        f"{operation['description']} Scope: {_scope(operation)}.",
    ]
    if operation.get("parameters"):
        rows = [
            [
                code(each["name"]),
                each["in"],
                _kind(each["schema"]),
                _required(each.get("description", ""), is_required=each["required"]),
            ]
            for each in operation["parameters"]
        ]
        parts.append(table(["parameter", "in", "value", "meaning"], rows))
    taken = ", ".join(_contents(operation.get("requestBody", {})))
    if taken:
        parts.append(f"Takes {taken}.")
    parts.append(f"Answers {'; '.join(_answers(operation['responses']))}.")
    return "\n\n".join(parts) + "\n"


def _answers(responses: Mapping[str, Any]) -> Iterator[str]:
    """The good ones; what all refuse alike is said at the head."""
    for status, answer in responses.items():
        if status.startswith("2"):
            contents = " or ".join(_contents(answer))
            yield f"{status} with {contents}" if contents else status


def _contents(body: Mapping[str, Any]) -> Iterator[str]:
    for media_type, content in body.get("content", {}).items():
        schema = content.get("schema")
        yield _kind(schema) if schema and "json" in media_type else code(media_type)


def _model(name: str, schema: Mapping[str, Any]) -> str:
    parts = [f"### {name}"]
    if "description" in schema:
        parts.append(one_line(schema["description"]))
    if "enum" in schema:
        parts.append("One of " + ", ".join(code(str(each)) for each in schema["enum"]) + ".")
    needed = schema.get("required", [])
    rows = [
        [
            code(field),
            _kind(each),
            _required(each.get("description", ""), is_required=field in needed),
        ]
        for field, each in schema.get("properties", {}).items()
    ]
    if rows:
        parts.append(table(["field", "value", "meaning"], rows))
    return "\n\n".join(parts) + "\n"


def _kind(schema: Mapping[str, Any]) -> str:
    """The kind of a value, with what limits it, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[`{name}`](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "const" in schema:
        return code(str(schema["const"]))
    if "enum" in schema:
        return ", ".join(code(str(each)) for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    names = {"string": "text", "number": "number", "integer": "whole number", "null": "null"}
    kind = names.get(schema.get("type", ""), schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _required(text: str, *, is_required: bool) -> str:
    return f"{one_line(text)} **Required.**".strip() if is_required else one_line(text)


def _scope(operation: Mapping[str, Any]) -> str:
    asked: Iterable[Mapping[str, list[str]]] = operation.get("security") or ()
    scopes = [scope for each in asked for scope in each.get("token", [])]
    return ", ".join(scopes) or ("basic authentication" if asked else "none")
