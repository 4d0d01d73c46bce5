"""What is seen of each kind of item, as data: no secret, no password, no content of anything."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict

from onyx_pipelines.health.verdict import Condition


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SeenHealth(_Seen):
    """Of one area. `action`: the command to run next; empty: none is needed."""

    condition: Condition
    summary: str
    action: str = ""


class SeenFigure(_Seen):
    """One number. None: there is none. `of`: what it is of, where it is of one among several."""

    value: float | None
    unit: str = ""
    of: str = ""


class SeenCheck(_Seen):
    """One line of `onyx doctor`."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class SeenChecks(_Seen):
    """Those that were asked for."""

    checks: tuple[SeenCheck, ...]


class SeenSettings(_Seen):
    """Which of them have a value, by what their variables are called."""

    given: tuple[str, ...]
    missing: tuple[str, ...]


class SeenRecord(_Seen):
    """What was written down.

    Args:
        ok: whether it went well; None: the record does not say.
        at: of what it records; None: it is of now.
    """

    ok: bool | None
    said: str
    at: AwareDatetime | None = None


class SeenEndpoint(_Seen):
    """An answer over HTTP. `headers`: those that are asked about, in lower case."""

    url: str
    status: int
    headers: dict[str, str]


class SeenCertificate(_Seen):
    """Args:
    ends_at: None: it is not trusted, so nobody has read it.
    problem: why it is not trusted; empty: it is.
    """

    host: str
    ends_at: AwareDatetime | None
    problem: str = ""


class Listening(_Seen):
    """A TCP port on an address that others reach."""

    port: int
    address: str


class SeenPorts(_Seen):
    """Of this host; those on loopback are left out."""

    listening: tuple[Listening, ...]


class SeenService(_Seen):
    """One service of the Compose files.

    Args:
        image: as it is named there; empty: it is built on this host.
        published: `address:port` of each port that others reach.
    """

    name: str
    image: str = ""
    restarts: bool = False
    has_healthcheck: bool = False
    has_memory_limit: bool = False
    is_privileged: bool = False
    logs_rotate: bool = False
    published: tuple[str, ...] = ()


class SeenCompose(_Seen):
    """`weak`: the secrets in its files that everybody knows, by name and file."""

    services: tuple[SeenService, ...]
    weak: tuple[str, ...] = ()


class SeenPage(_Seen):
    """A page that alerts link to. `lacks`: anchors that are not in it."""

    url: str
    status: int
    lacks: tuple[str, ...] = ()


class SeenPages(_Seen):
    """All of them."""

    pages: tuple[SeenPage, ...]


class SeenEvidence(_Seen):
    """What a person has shown.

    Args:
        at: when.
        shown: the note, the link, or the file's name.
        sha256: of a file when it was shown.
        sha256_now: of the same file now; empty: it is no file, or it is gone.
    """

    by: str
    at: AwareDatetime
    shown: str
    sha256: str = ""
    sha256_now: str = ""
