"""`/docs`: the description for people, from files of this host alone. Nothing is asked of another
host, and the browser is told so."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

_PAGE: Final = "/docs"
# Swagger UI of the package fastapi-offline, whose code is not used.
_FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
# Swagger UI draws with images in its style sheet and asks this API alone.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HTML: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>onyx-pipelines: REST API</title>
<link rel="icon" href="{_PAGE}/favicon.png">
<link rel="stylesheet" href="{_PAGE}/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="{_PAGE}/swagger-ui-bundle.js"></script>
<script src="{_PAGE}/begin.js"></script>
</body>
</html>
"""


def add_description_page(app: FastAPI) -> None:
    """In the place of FastAPI's own, which has its scripts from elsewhere."""
    options = {
        "url": app.openapi_url,
        "dom_id": "#page",
        "deepLinking": True,
        # Swagger's own server would be asked whether the description is valid.
        "validatorUrl": None,
    }
    begin = f"SwaggerUIBundle({json.dumps(options)});\n"

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(_HTML, headers={"Content-Security-Policy": _POLICY})

    async def begin_js(_: Request) -> Response:
        return Response(begin, media_type="text/javascript")

    # Plain routes: a description of what they take and answer would never be read.
    app.add_route(_PAGE, page, include_in_schema=False)
    app.add_route(f"{_PAGE}/begin.js", begin_js, include_in_schema=False)
    for name, media_type in _FILES.items():
        app.add_route(f"{_PAGE}/{name}", _file(name, media_type), include_in_schema=False)


def _file(name: str, media_type: str) -> Callable[[Request], Response]:
    def file(_: Request) -> Response:
        content = (files("fastapi_offline") / "static" / name).read_bytes()
        return Response(content, media_type=media_type)

    return file
