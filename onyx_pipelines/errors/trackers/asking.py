"""Questions over HTTP with a token: what a tracker answers, whole or as one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
from pydantic import SecretStr

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.whole_answer import OTHER_FORM, unanswered, whole_answer
from onyx_pipelines.errors.trackers.tracker import TrackerError

_TIMEOUT_S: Final = 10.0
LIMIT_S: Final = 30.0
_REMEDY: Final = "See whether it runs, and whether ONYX_ERROR_TRACKER_URL is right."
_TOKEN_REMEDY: Final = (
    "Make a token that may read issues and events, and set ONYX_ERROR_TRACKER_TOKEN."  # noqa: S105  (what to do, no token)
)


class Api:
    """Of one tracker.

    Args:
        who: what it is called in errors.
        base_url: what paths are below.
        limit_s: for the whole of an answer.
    """

    def __init__(
        self, who: str, base_url: str, token: SecretStr, *, limit_s: float = LIMIT_S
    ) -> None:
        self._limit_s = limit_s
        self._who = who
        self._base_url = base_url
        self._token = token

    def get(self, path: str, **parameters: str | list[str]) -> httpx.Response | None:
        """`path`: below the base, or a whole address of the same server. None: there is none.

        Raises:
            TrackerError: it does not answer, or refuses.
        """
        url = path if path.startswith(self._base_url) else f"{self._base_url}{path}"
        secret = {"Authorization": f"Bearer {self._token.get_secret_value()}"}
        try:
            with self._client() as client:
                answer = whole_answer(
                    client,
                    "GET",
                    url,
                    limit_s=self._limit_s,
                    headers=secret,
                    params=parameters or None,
                )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise TrackerError(
                unanswered(self._who, error), remedy=_REMEDY, transient=True
            ) from None
        if answer.status_code == 404:
            return None
        if answer.status_code in (401, 403):
            raise TrackerError(
                f"{self._who} does not let the token read ({answer.status_code}).",
                remedy=_TOKEN_REMEDY,
            )
        if not answer.is_success:
            later = answer.status_code == 429 or answer.status_code >= 500
            raise TrackerError(
                f"{self._who} answered {answer.status_code}.", remedy=_REMEDY, transient=later
            )
        return answer

    def json(self, path: str, **parameters: str | list[str]) -> Any:
        """As `get`, of what must be there.

        Raises:
            TrackerError: it does not answer, or with something else.
        """
        answer = self.get(path, **parameters)
        with self.understanding():
            if answer is None:
                raise ValueError("not found")
            return answer.json()

    @contextmanager
    def understanding(self) -> Iterator[None]:
        """Around reading what a server has answered that may be another one."""
        try:
            yield
        except OTHER_FORM:
            raise TrackerError(
                f"{self._who} answers in another form than its own.", remedy=_REMEDY
            ) from None

    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=_TIMEOUT_S, trust_env=False, verify=usual_certificates())
