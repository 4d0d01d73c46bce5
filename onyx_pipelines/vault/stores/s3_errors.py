"""What S3 and the way to it answer, as errors for people: what happened, what to do, retry or not.

The texts hold no header, no signature and no credential.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import clear_frames

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  (botocore's own)
    HTTPClientError,
    IncompleteReadError,
    InvalidRegionError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
    SSLError,
    TokenRetrievalError,
)
from urllib3.exceptions import HTTPError

from onyx_pipelines.core.errors import NotFoundError, OnyxError, RefusedError, StoreError
from onyx_pipelines.core.text import limit_text

_CREDENTIALS = "Check ONYX_S3_ACCESS_KEY_ID and ONYX_S3_SECRET_ACCESS_KEY (and ONYX_S3_REGION)."
_LATER = "It may be over soon; if it stays, check the provider's status and the network."

_REMEDIES = {
    "InvalidAccessKeyId": ("does not know the access key", _CREDENTIALS),
    "SignatureDoesNotMatch": ("does not accept the signature: the secret is wrong", _CREDENTIALS),
    "AuthorizationHeaderMalformed": ("does not accept the signature's region", _CREDENTIALS),
    "InvalidToken": ("does not accept the session token", _CREDENTIALS),
    "ExpiredToken": ("says that the session token has expired", _CREDENTIALS),
    "AccessDenied": (
        "denies access",
        "Allow this key to read, list, write and delete in the bucket, and to list and abort"
        " multipart uploads; or check ONYX_S3_ACCESS_KEY_ID and its secret.",
    ),
    "NoSuchBucket": (
        "has no such bucket",
        "Create the bucket, or correct it in ONYX_OFFSITE_URL.",
    ),
    "RequestTimeTooSkewed": (
        "refuses this host's clock",
        "Set the clock (chronyc tracking, timedatectl).",
    ),
    "PermanentRedirect": (
        "says that the bucket is elsewhere",
        "Correct ONYX_S3_REGION and ONYX_S3_ENDPOINT_URL.",
    ),
    "QuotaExceeded": ("is full", "Free space there (see `onyx prune`) or raise the quota."),
    "ObjectLocked": ("holds this object under a lock", "Wait for its retention to end."),
}
_SAME_AS = {
    "401": "InvalidAccessKeyId",
    "403": "AccessDenied",
    "404": "NoSuchBucket",
    "301": "PermanentRedirect",
    "302": "PermanentRedirect",
    "303": "PermanentRedirect",
    "308": "PermanentRedirect",
    "307": "PermanentRedirect",
    "AllAccessDisabled": "AccessDenied",
    "Forbidden": "AccessDenied",
    "InvalidTokenId": "InvalidAccessKeyId",
    "NotSignedUp": "InvalidAccessKeyId",
    "507": "QuotaExceeded",
    "InsufficientStorage": "QuotaExceeded",
    "XMinioStorageFull": "QuotaExceeded",
    "QuotaExceededException": "QuotaExceeded",
    "InvalidRegion": "PermanentRedirect",
    "IllegalLocationConstraintException": "PermanentRedirect",
}
_TRANSIENT_CODES = frozenset(
    {
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "OperationAborted",
        "NoSuchUpload",
        "BadDigest",
        "IncompleteBody",
        "XAmzContentSHA256Mismatch",
    }
)


_ABSENT = frozenset({"NoSuchKey", "NoSuchVersion"})
_REFUSALS = frozenset({"AccessDenied", "ObjectLocked", "MethodNotAllowed", "NotImplemented"})
_WRONG_REGION = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect"})


@dataclass(frozen=True)
class Place:
    """Where requests go, for messages. The URLs hold no credentials."""

    url: str
    endpoint_url: str


class AbsentError(StoreError):
    """The bucket has no such object, or no such version of it.

    Cause: it was deleted meanwhile, or never uploaded whole.
    Remedy: `onyx verify ID --store offsite` says what else is missing; `onyx catalog
        recover-versions` undoes deletions where there are versions.
    """

    code = "store-object-absent"


class NoObjectLockError(StoreError):
    """The bucket has no Object Lock, and `ONYX_OFFSITE_LOCK_DAYS` asks for it.

    Cause: it was created without; most providers cannot switch it on later.
    Remedy: use a bucket that was created with Object Lock (docs/object_lock.md).
    """

    code = "store-no-object-lock"


class NoUploadError(StoreError):
    """The bucket does not know the unfinished upload: completed, aborted, or forgotten.

    Cause: a lifecycle rule or another process ended it, or the server lost it.
    Remedy: run it again: the object is uploaded anew.
    Transient: where the server may have completed it although its answer was lost.
    """

    code = "store-upload-gone"


@contextmanager
def translated(place: Place, action: str) -> Iterator[None]:
    """Turn what botocore raises in the block, which does nothing else, into StoreError."""
    try:
        yield
    except (OnyxError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  (the kind is in the StoreError)
        _let_go(error)
        raise _translation(place, action, error) from None


def _translation(place: Place, action: str, error: Exception) -> StoreError:
    if isinstance(error, ClientError):
        return _answered(place, action, error)
    if isinstance(error, BotoCoreError | HTTPError):
        return _unanswered(place, action, error)
    # botocore's parsers fail in any way on numbers, dates and XML that are none.
    return not_s3(place, action, type(error).__name__)


def _let_go(error: BaseException | None) -> None:
    """urllib3 keeps its errors in frames that their tracebacks keep: connections would stay open
    until Python's collector comes by."""
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__context__


def not_s3(place: Place, action: str, problem: str) -> StoreError:
    """The answer is none that the protocol allows."""
    return StoreError(
        f"Cannot {action} in {place.url}: {place.endpoint_url} did not answer as S3 does"
        f" ({problem}).",
        remedy="Check ONYX_S3_ENDPOINT_URL: a proxy, a web server or a captive portal may stand"
        " between; else ask the provider.",
    )


def too_slow(place: Place, action: str, limit_s: float) -> StoreError:
    return StoreError(
        f"Cannot {action} in {place.url}: the answer of {place.endpoint_url} did not end within"
        f" {limit_text(limit_s)}.",
        remedy=_LATER,
        transient=True,
    )


def absent(place: Place, key: str) -> NotFoundError:
    return NotFoundError(
        f"{key} is not in {place.url}.", remedy="`onyx catalog list` shows what there is."
    )


def code_of(error: ClientError) -> str:
    """S3's own code, e.g. "NoSuchKey"; "404" where an answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def cut_short(place: Place, key: str, missing_bytes: int) -> StoreError:
    return StoreError(
        f"The download of {key} from {place.url} ended {missing_bytes} bytes early.",
        remedy="The connection was cut: run this again.",
        transient=True,
    )


def _answered(place: Place, action: str, error: ClientError) -> StoreError:
    code = code_of(error)
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    name = code if code in _REMEDIES else _SAME_AS.get(code) or _SAME_AS.get(str(status), "")
    known = _REMEDIES.get(name)
    # A HEAD has no body, so no code of S3's own.
    if code in _ABSENT or (code == "404" and error.operation_name == "HeadObject"):
        return AbsentError(
            f"Cannot {action} in {place.url}: it is not there.",
            remedy="`onyx catalog list` shows what there is.",
        )
    if code == "ObjectLockConfigurationNotFoundError":
        return NoObjectLockError(
            f"Cannot {action} in {place.url}: the bucket has no Object Lock.",
            remedy="Use a bucket that was created with it.",
        )
    if code in _TRANSIENT_CODES or status == 429 or (status >= 500 and status not in (501, 507)):
        return (NoUploadError if code == "NoSuchUpload" else StoreError)(
            f"Cannot {action} in {place.url}: {place.endpoint_url} is in trouble"
            f" ({code}, HTTP {status}).",
            remedy=_LATER,
            transient=True,
        )
    region = _region_of(error) if name in _WRONG_REGION else ""
    if region:
        return StoreError(
            f"Cannot {action} in {place.url}: the bucket is in the region {region}, and requests"
            " are signed for another.",
            remedy=f"Set ONYX_S3_REGION={region} (and ONYX_S3_ENDPOINT_URL where the provider has"
            " one for each region).",
        )
    if known:
        verdict, remedy = known
        return (RefusedError if name in _REFUSALS else StoreError)(
            f"Cannot {action} in {place.url}: {place.endpoint_url} {verdict} ({code}).",
            remedy=remedy,
        )
    return (RefusedError if code in _REFUSALS else StoreError)(
        f"Cannot {action} in {place.url}: {place.endpoint_url} answers {code} (HTTP {status}).",
        remedy="Look the code up in the S3 provider's documentation.",
    )


def _region_of(error: ClientError) -> str:
    """Of the bucket, where the answer says it in a form that may stand in a message."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    said: object = headers.get("x-amz-bucket-region") or error.response["Error"].get("Region")
    return said if isinstance(said, str) and re.fullmatch(r"[a-z0-9-]{2,40}", said) else ""


def _unanswered(place: Place, action: str, error: Exception) -> StoreError:
    what = f"Cannot {action} in {place.url}"
    kind = type(error).__name__
    if isinstance(error, NoCredentialsError | PartialCredentialsError | TokenRetrievalError):
        return StoreError(
            f"{what}: there are no S3 credentials.",
            remedy="Set ONYX_S3_ACCESS_KEY_ID and ONYX_S3_SECRET_ACCESS_KEY (or their _FILE).",
        )
    if isinstance(error, SSLError):
        return StoreError(
            f"{what}: the TLS certificate of {place.endpoint_url} is not trusted.",
            remedy="Correct the address, or name the authority's certificate in AWS_CA_BUNDLE.",
        )
    network = ConnectionError | HTTPClientError | IncompleteReadError | ResponseStreamingError
    if isinstance(error, network | HTTPError):
        return StoreError(
            f"{what}: no complete answer from {place.endpoint_url} ({kind}).",
            remedy="Check ONYX_S3_ENDPOINT_URL, name resolution and the network between.",
            transient=True,
        )
    if isinstance(error, InvalidRegionError):
        return StoreError(
            f"{what}: ONYX_S3_REGION, or the region that {place.endpoint_url} says, is no region.",
            remedy="Correct ONYX_S3_REGION and ONYX_S3_ENDPOINT_URL.",
        )
    return StoreError(
        f"{what}: {place.endpoint_url} could not be asked ({kind}).",
        remedy="Check ONYX_S3_ENDPOINT_URL, ONYX_S3_REGION and ONYX_OFFSITE_URL.",
    )
