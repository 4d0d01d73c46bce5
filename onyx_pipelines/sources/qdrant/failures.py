"""What an answer or httpx says, as SourceError with what to do."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.whole_answer import OTHER_FORM

_REMEDIES = {
    401: "Check ONYX_QDRANT_API_KEY (or ONYX_QDRANT_API_KEY_FILE).",
    403: "Use a key that may do it: a read-only key can make no snapshots, and one with access by"
    " collection no others than of those, and can restore none (ONYX_QDRANT_API_KEY).",
    404: "See whether ONYX_QDRANT_URL and ONYX_QDRANT_COLLECTIONS are right.",
    429: "Qdrant or a proxy limits the rate; it may work later.",
    501: "Use a Qdrant server that can do this.",
    504: "That is the limit of a proxy before Qdrant, not Qdrant's: let it wait longer for"
    " snapshots, or set ONYX_QDRANT_URL past it. Qdrant may still be at work.",
    507: "Give Qdrant more room: its quota is used up.",
}
_SERVER_REMEDY = "See Qdrant's own log, and whether its disk has room for a snapshot."
_BUSY = 429
_KEY_REFUSED = frozenset({401, 403})
# Other answers of 5xx pass by themselves.
_NEVER_PASSES = frozenset({501, 507})
_TRUNCATED_AT = 300
# What reading an answer stumbles over that is none of Qdrant's.
# A path that repeats a long name would leave no room for what went wrong.
_LONG_WORD = re.compile(r"(\S{30})\S{60,}(\S{15})")
# Of a JWT, in the words of the library that reads it.
_EXPIRED = re.compile(r"^\W*(Forbidden: )?(ExpiredSignature|.*\b(token|jwt)\b.*\bexpired)", re.I)
_FOREIGN = re.compile(r"^\W*(Forbidden: )?InvalidSignature", re.I)


class RefusedError(SourceError):
    """Qdrant understood and said no (4xx): it has not begun anything.

    Cause: a key without the right, strict mode, a request that this version does not know.
    Remedy: docs/qdrant.md lists what each key may do; `onyx doctor` tries it without changing
        anything.
    """

    code = "source-refused"


class NotThereError(RefusedError):
    """Qdrant has no such collection, alias or snapshot (404).

    Cause: it was dropped meanwhile, or is named wrongly in ONYX_QDRANT_COLLECTIONS.
    Remedy: correct the list, or make a new backup.
    """

    code = "source-not-there"


class BusyError(RefusedError):
    """Qdrant, or a proxy before it, limits the rate (429), and waiting as it says was not
    enough.

    Cause: `read_rate_limit` of strict mode, or other clients.
    Remedy: raise the limit, or run it at a quieter hour.
    Transient: always.
    """

    code = "source-busy"


class QdrantErrors:
    """Words errors for one server; the key is in none of them, whatever the server says."""

    def __init__(self, url: str, api_key: SecretStr) -> None:
        self._url = url
        self._api_key = api_key.get_secret_value()

    @contextmanager
    def during(self, doing: str) -> Iterator[None]:
        """Turn what httpx raises, and a strange answer, into a SourceError that names `doing`."""
        try:
            yield
        except httpx.TransportError as error:
            raise self.lost(doing, error) from None
        except (httpx.HTTPError, *OTHER_FORM) as error:
            # Its text would show what came, which may be a point's content.
            raise self.failed(
                doing,
                f"the answer is not one of Qdrant's ({type(error).__name__})",
                remedy="See whether ONYX_QDRANT_URL is Qdrant's REST address.",
            ) from None

    def lost(self, doing: str, cause: httpx.TransportError) -> SourceError:
        """No connection, or no answer in time."""
        distrust = _certificate_error(cause)
        if distrust is not None:
            return self.failed(
                doing,
                f"its certificate is not trusted ({distrust})",
                remedy="Name the authority that signed it, or the certificate itself if it signed"
                " itself, in ONYX_QDRANT_CA_FILE, and use a host name that is in it.",
            )
        timed_out = isinstance(cause, httpx.TimeoutException)
        return self.failed(
            doing,
            "no answer in time" if timed_out else str(cause) or type(cause).__name__,
            remedy="See whether it runs and answers (ONYX_QDRANT_URL).",
            transient=True,
        )

    def answered(self, doing: str, status: int, said: str) -> SourceError:
        """For an answer with another status than hoped for."""
        kind: type[SourceError] = SourceError
        if status == 404:
            kind = NotThereError
        elif status == _BUSY:
            kind = BusyError
        elif 400 <= status < 500:
            kind = RefusedError
        # Before anything is cut: half a key would not be recognised.
        words = " ".join(self._masked(_message(said)).split())
        words = _LONG_WORD.sub(r"\1…\2", words)[:_TRUNCATED_AT]
        problem = f"HTTP {status} {words}".rstrip(" .")
        remedy = _REMEDIES.get(status, _SERVER_REMEDY)
        if status in _KEY_REFUSED and _EXPIRED.search(words):
            problem = f"the key is a token (JWT) that has expired ({problem})"
            remedy = "Put a new one into ONYX_QDRANT_API_KEY."
        elif status in _KEY_REFUSED and _FOREIGN.search(words):
            problem = f"the key is a token (JWT) of another server's API key ({problem})"
            remedy = "Sign one with this server's API key, and put it into ONYX_QDRANT_API_KEY."
        return self.failed(
            doing,
            problem,
            remedy=remedy,
            transient=status == _BUSY or (status >= 500 and status not in _NEVER_PASSES),
            kind=kind,
        )

    def failed(
        self,
        doing: str,
        problem: str,
        *,
        remedy: str,
        transient: bool = False,
        kind: type[SourceError] = SourceError,
    ) -> SourceError:
        what = self._masked(f"Qdrant {self._url}: {doing}: {problem}.")
        return kind(what, remedy=remedy, transient=transient)

    def _masked(self, text: str) -> str:
        return text.replace(self._api_key, "***") if self._api_key else text


def _message(said: str) -> str:
    """What Qdrant says in its JSON; all of it where it is something else."""
    try:
        return str(json.loads(said)["status"]["error"])
    except OTHER_FORM:
        return said


def _certificate_error(error: BaseException | None) -> str | None:
    """What is wrong with the server's certificate, if that is what went wrong."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return None
