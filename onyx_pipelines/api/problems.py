"""Errors as problem details (RFC 9457), each with one sentence on the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from onyx_pipelines.core.errors import (
    AlreadyRunningError,
    IntegrityError,
    KeyFileError,
    NotFoundError,
    OnyxError,
    SettingsError,
    SourceError,
    StoreError,
)
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.whole_answer import OTHER_FORM
from onyx_pipelines.monitoring.prometheus import PrometheusError
from onyx_pipelines.readiness.incidents.book import IncidentError

_log = logger("api")
MEDIA_TYPE = "application/problem+json"
_STATUS: dict[type[OnyxError], int] = {
    NotFoundError: 404,
    AlreadyRunningError: 409,
    KeyFileError: 409,
    IntegrityError: 409,
    SettingsError: 409,
    StoreError: 503,
    SourceError: 503,
    PrometheusError: 503,
    IncidentError: 503,
}
_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "In conflict",
    410: "Gone",
    413: "Too large",
    422: "Not understood",
    429: "Too many failures",
    500: "Our fault",
    503: "Not available",
    504: "Took too long",
}


class Problem(BaseModel):
    """RFC 9457. `remedy`: what to do about it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    remedy: str = ""


class ProblemError(Exception):
    """An answer that is a problem; `more` are members of its own."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        remedy: str,
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.remedy = remedy
        self.headers = headers or {}
        self.more = more or {}


def answer(
    status: int,
    detail: str,
    remedy: str,
    *,
    headers: dict[str, str] | None = None,
    more: dict[str, Any] | None = None,
) -> JSONResponse:
    problem = Problem(
        title=_TITLES.get(status, "Problem"), status=status, detail=detail, remedy=remedy
    )
    return JSONResponse(
        {**(more or {}), **problem.model_dump()},
        status_code=status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def answer_of(error: ProblemError) -> JSONResponse:
    return answer(error.status, error.detail, error.remedy, headers=error.headers, more=error.more)


@contextmanager
def understanding(who: str, remedy: str) -> Iterator[None]:
    """Around reading what another program has answered, which may have any form.

    Raises:
        ProblemError: 503, it is not of the form that is read.
    """
    try:
        yield
    except OTHER_FORM:
        raise ProblemError(
            503, f"{who} answers in another form than its own.", remedy=remedy
        ) from None


def install_handlers(app: FastAPI) -> None:
    """Every error of this application is a problem."""

    @app.exception_handler(ProblemError)
    def of_ours(_: Request, error: ProblemError) -> JSONResponse:
        return answer_of(error)

    @app.exception_handler(OnyxError)
    def of_domain(_: Request, error: OnyxError) -> JSONResponse:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
        return answer(status, error.what, error.remedy)

    @app.exception_handler(RequestValidationError)
    def of_input(_: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not repeated: it may be a secret in the wrong place.
        fields = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors()
        ]
        return answer(422, "; ".join(fields), "The page /docs describes what is understood.")

    @app.exception_handler(HTTPException)
    def of_http(_: Request, error: HTTPException) -> JSONResponse:
        remedy = "The page /docs lists what there is."
        return answer(error.status_code, str(error.detail), remedy, headers=_plain(error.headers))

    @app.exception_handler(Exception)
    def of_a_bug(_: Request, error: Exception) -> JSONResponse:
        _log.exception("a request failed", exc_info=error)
        return answer(500, "Something broke here.", "The log of the API says what (onyx.api).")


def _plain(headers: Any) -> dict[str, str] | None:
    return dict(headers) if headers else None
