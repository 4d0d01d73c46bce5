"""The ways in which an item is verified: twelve that look, and one that asks a person for evidence.

Each says what is looked at and what is expected of it; nothing here looks or decides.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import NAMES
from onyx_pipelines.core.settings.part import variable
from onyx_pipelines.health.verdict import Area
from onyx_pipelines.readiness.limit import Limit
from onyx_pipelines.readiness.playbook import Nothing, Words


def _known(name: str) -> str:
    if name.partition(".")[0] not in NAMES:
        raise ValueError(f"{name} is no setting")
    return name


def _compiles(pattern: str) -> str:
    re.compile(pattern)
    return pattern


# A field of one that has fields stands behind a dot.
SettingName = Annotated[str, AfterValidator(_known)]
Pattern = Annotated[str, AfterValidator(_compiles)]


def setting_words(name: SettingName) -> str:
    """As its variable is called: "watchdog_url of ONYX_ALERT_RECEIVERS"."""
    whole, _, part = name.partition(".")
    return f"{part} of {variable(whole)}" if part else variable(whole)


class _Automatic(BaseModel):
    """Args:
    needs: settings without which it cannot be looked at.
    needs_one_of: it takes one of these.
    otherwise: what it means that it does not hold, or what to do; empty: the evidence says it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs: tuple[SettingName, ...] = ()
    needs_one_of: tuple[SettingName, ...] = ()
    otherwise: str = ""

    @property
    def needed(self) -> tuple[SettingName, ...]:
        """Each of them."""
        return self.needs


class Manual(BaseModel):
    """`evidence`: what a person has to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["manual"]
    evidence: Words


class OfHealth(_Automatic):
    """An area of the stack's health."""

    kind: Literal["health"]
    area: Area


class OfMetrics(_Automatic):
    """PromQL whose first number is held against a limit; its labels say what it is of."""

    kind: Literal["metrics"]
    query: Words
    holds_if: Limit
    if_nothing: Nothing = Nothing.UNKNOWN
    needs: tuple[SettingName, ...] = ("prometheus_url",)


class OfDatabase(_Automatic):
    """SQL that reads, and gives one number."""

    kind: Literal["database"]
    query: Words
    holds_if: Limit
    needs: tuple[SettingName, ...] = ("pg_host",)


class OfDoctor(_Automatic):
    """Checks of `onyx doctor` whose names begin so."""

    kind: Literal["doctor"]
    checks: Annotated[tuple[Words, ...], Field(min_length=1)]


class OfSettings(_Automatic):
    """At least one of these settings is given."""

    kind: Literal["settings"]
    any_of: Annotated[tuple[SettingName, ...], Field(min_length=1)]


class Record(StrEnum):
    """What this product has written down of what was done."""

    NIGHTLY_BACKUP = Job.BACKUP
    TWO_STORES_VERIFIED = "two_stores_verified"
    STACK_RECIPE = "stack_recipe"
    RECOVERY_TIME = "recovery_time"
    LOAD_BASELINE = "load_baseline"
    RULES_TESTED = "rules_tested"
    ERROR_ARRIVES = "error_arrives"
    DIGEST_SENT = "digest_sent"
    AUDIT_TRAIL = "audit_trail"
    RELEASE_NOTED = "release_noted"
    REHEARSALS = "rehearsals"


class OfRecord(_Automatic):
    """`max_age`: of what it records; None: however old."""

    kind: Literal["record"]
    of: Record
    max_age: timedelta | None = None


class OfEndpoint(_Automatic):
    """An answer over HTTP.

    Args:
        base: the setting that has the address.
        path: below it; `{login_path}` is the setting of that name.
        insecure: asked by http, whatever the address says.
        status: those that are right; none: any is.
        headers, lacks: of the answer, in lower case: a pattern that each fits, or must not fit.
    """

    kind: Literal["endpoint"]
    base: SettingName
    path: str = ""
    insecure: bool = False
    status: tuple[int, ...] = ()
    headers: dict[str, Pattern] = Field(default_factory=dict)
    lacks: dict[str, Pattern] = Field(default_factory=dict)

    @property
    def needed(self) -> tuple[SettingName, ...]:
        return (self.base, *self.needs)


class OfCertificate(_Automatic):
    """That of the address at which people use the stack: trusted, and valid for so many days."""

    kind: Literal["certificate"]
    days: int
    needs: tuple[SettingName, ...] = ("public_url",)


class OfPorts(_Automatic):
    """Nothing but these TCP ports of this host listens on an address that others reach."""

    kind: Literal["ports"]
    allowed: tuple[int, ...]


class ComposeQuestion(StrEnum):
    """What is asked of the stack's Compose files."""

    PINNED = "pinned"
    RESTARTS = "restarts"
    HEALTHCHECKS = "healthchecks"
    MEMORY_LIMITS = "memory_limits"
    NOTHING_PUBLISHED = "nothing_published"
    LOGS_ROTATE = "logs_rotate"
    NO_KNOWN_SECRETS = "no_known_secrets"
    NOT_PRIVILEGED = "not_privileged"


class OfCompose(_Automatic):
    """Of every service of the stack. `besides`: ports that may be published."""

    kind: Literal["compose"]
    question: ComposeQuestion
    besides: tuple[int, ...] = ()


class HostFigure(StrEnum):
    """What this machine is asked; shares are between 0 and 1."""

    DISK_FREE = "disk_free"
    INODES_FREE = "inodes_free"
    MEMORY_AVAILABLE = "memory_available"
    SWAP_USED = "swap_used"
    CLOCK_ERROR_S = "clock_error_s"
    OPEN_FILES_FREE = "open_files_free"
    UPGRADES_ARE_AUTOMATIC = "upgrades_are_automatic"


class OfHost(_Automatic):
    """A figure of the machine that this runs on."""

    kind: Literal["host"]
    figure: HostFigure
    holds_if: Limit


class OfPlaybooks(_Automatic):
    """Each page that alerts link to is there, with the playbook in it."""

    kind: Literal["playbooks"]
    needs: tuple[SettingName, ...] = ("docs_url",)


Automatic = (
    OfHealth
    | OfMetrics
    | OfDatabase
    | OfDoctor
    | OfSettings
    | OfRecord
    | OfEndpoint
    | OfCertificate
    | OfPorts
    | OfCompose
    | OfHost
    | OfPlaybooks
)
Verification = Manual | Automatic
