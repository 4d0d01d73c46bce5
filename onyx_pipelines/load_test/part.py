"""A part of a request's latency: whose time it is and in which role, read from its name once."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

APP: Final = "app"
NETWORK: Final = "network"


class Role(StrEnum):
    """What the owner does with the time. WAIT, GAP and SRV are those of a call: for a connection,
    between caller and callee, in the callee. SERVER: what the application does not tell apart."""

    WAIT = "wait"
    GAP = "gap"
    SRV = "srv"
    SELF = "self"
    SERVER = "server"
    LOOKUP = "lookup"
    CONNECT = "connect"
    TRANSFER = "transfer"


class Owner(NamedTuple):
    """Whom a part's time belongs to."""

    service: str
    role: Role


class Part(str):
    """Equal to its name in files: one of the fixed ones below, or `<hop>_<role>` of a call."""

    __slots__ = ("is_of_call", "owner")
    owner: Owner
    is_of_call: bool

    def __new__(cls, name: str) -> Self:
        part = super().__new__(cls, name)
        hop, _, role = name.rpartition("_")
        part.is_of_call = name not in _FIXED and bool(hop) and role in _CALL_ROLES
        if part.is_of_call:
            part.owner = Owner(hop, Role(role))
        else:
            part.owner = _FIXED.get(name, Owner(name, Role.SELF))
        return part

    @classmethod
    def of_call(cls, hop: str, role: Role) -> Self:
        return cls(f"{hop}_{role}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


_CALL_ROLES: Final = frozenset({Role.WAIT, Role.GAP, Role.SRV})
_FIXED: Final = {
    "name_lookup": Owner(NETWORK, Role.LOOKUP),
    "connect": Owner(NETWORK, Role.CONNECT),
    "tls": Owner(NETWORK, Role.CONNECT),
    "send": Owner(NETWORK, Role.TRANSFER),
    "ingress": Owner(APP, Role.SELF),
    "server": Owner(APP, Role.SERVER),
    "app_self": Owner(APP, Role.SELF),
    "receive": Owner(NETWORK, Role.TRANSFER),
}
# What the load generator sees by itself, in the order of a request's time.
FIXED_PARTS: Final = tuple(map(Part, _FIXED))
NAME_LOOKUP, CONNECT, TLS, SEND, INGRESS, SERVER, APP_SELF, RECEIVE = FIXED_PARTS
BEFORE_THE_SERVER: Final = (NAME_LOOKUP, CONNECT, TLS, SEND)
