"""Secrets of all kinds in all places of an event: what may not leave a service.

`python -m onyx_pipelines_tests.errors.corpus [SEED]` writes one JSON object a line, for whoever
tests another implementation of the rules: the event, and what may not be found in what leaves.
"""

from __future__ import annotations

import base64
import copy
import json
import random
import string
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

SECRETS: Final = 500
# A shorter piece of a secret is found by chance.
PIECE: Final = 8


@dataclass(frozen=True)
class Secret:
    """`value`: what nobody may read. `said`: how it stands in a text that somebody wrote."""

    kind: str
    value: str
    said: str

    def is_in(self, text: str) -> bool:
        """Whether any piece of it is found there, as it is or escaped."""
        forms = {self.value, json.dumps(self.value)[1:-1], quote(self.value, safe="")}
        return any(piece in text for form in forms for piece in _pieces(form))


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= PIECE:
        yield text
    for start in range(len(text) - PIECE + 1):
        yield text[start : start + PIECE]


def _words(words: str) -> list[str]:
    return words.split()


_LETTERS = string.ascii_letters
_DIGITS = string.digits
_ALNUM = _LETTERS + _DIGITS
_URLSAFE = _ALNUM + "-_"
_HEX = "0123456789abcdef"
_WORDS = _words(
    "anchor basket candle dragon ember falcon garden harbor island jungle kettle lantern meadow"
    " needle orchard pepper quartz ribbon saddle timber velvet walnut yonder zephyr"
)
_NAMES = _words("Aigerim Bartholomew Chukwuemeka Dagmar Esperanza Friedrich Guadalupe Hiroshi")


def _some(r: random.Random, letters: str, count: int) -> str:
    """With a letter of each case and a digit, where it has them: as long ones have."""
    found = [r.choice(letters) for _ in range(count)]
    for place, kind in enumerate((string.ascii_lowercase, string.ascii_uppercase, _DIGITS)):
        if count > 3 and set(kind) & set(letters):
            found[place] = r.choice([each for each in kind if each in letters])
    r.shuffle(found)
    return "".join(found)


def _base64(r: random.Random, size: int) -> str:
    return base64.b64encode(r.randbytes(size)).decode()


Made = tuple[str, str]


def _plain(value: str) -> Made:
    """What is recognised wherever it stands."""
    return value, f"could not use {value} for the call"


def _prefixed(prefix: str, count: int, letters: str = _ALNUM) -> Callable[[random.Random], Made]:
    return lambda r: _plain(prefix + _some(r, letters, count))


def _named(name: str, make: Callable[[random.Random], str]) -> Callable[[random.Random], Made]:
    def made(r: random.Random) -> Made:
        value = make(r)
        said = r.choice(
            [
                f"refused: {name}={value}",
                f"bad request {{'{name}': {value!r}, 'retries': 3}}",
                f'body was {{"{name}": {json.dumps(value)}}}',
                f"{name.upper()}: {value}",
                f"Login({name}={value!r})",
                f'outer {{"inner": "{{\\"{name}\\": \\"{value}\\"}}"}}',
            ]
        )
        return value, said

    return made


def _human_password(r: random.Random) -> str:
    return r.choice(_WORDS).title() + r.choice("!?#$%&*") + _some(r, _DIGITS, 4)


def _generated_password(r: random.Random) -> str:
    return _some(r, _ALNUM + "!#$%&*+-?@^_~", 16)


def _phrase(r: random.Random) -> str:
    return " ".join(r.sample(_WORDS, 4))


def _prompt(r: random.Random) -> str:
    return f"My colleague {r.choice(_NAMES)} was diagnosed with {r.choice(_WORDS)} fever"


def _url_password(r: random.Random) -> Made:
    value = _some(r, _ALNUM, 12)
    scheme = r.choice(["postgresql", "redis", "amqp", "https", "postgresql+psycopg2"])
    return value, f"cannot connect to {scheme}://onyx:{value}@db.internal:5432/onyx"


def _email(r: random.Random) -> Made:
    domain, name = (_some(r, string.ascii_lowercase, count) for count in (8, 6))
    value = f"{r.choice(_NAMES).lower()}.{name}@{domain}.org"
    return value, r.choice([f"no such user {value}", f"<{value}> bounced", f"mail to '{value}'"])


def _jwt(r: random.Random) -> Made:
    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=")
        for each in ({"alg": "HS256", "typ": "JWT"}, {"sub": _some(r, _DIGITS, 10)})
    ]
    return _plain(".".join([*parts, _some(r, _URLSAFE, 43)]))


def _card(r: random.Random) -> Made:
    digits = _some(r, _DIGITS, 16)
    groups = [digits[start : start + 4] for start in range(0, 16, 4)]
    return _plain(r.choice(["", " ", "-"]).join(groups))


def _iban(r: random.Random) -> Made:
    return _plain(f"DE{_some(r, _DIGITS, 20)}")


def _private_key(r: random.Random) -> Made:
    lines = "\n".join(_base64(r, 48) for _ in range(4))
    kind = r.choice(["", "RSA ", "OPENSSH "])
    return (
        lines,
        f"bad key:\n-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----",
    )


def _phone(r: random.Random) -> Made:
    return _plain(f"+49 {_some(r, _DIGITS, 3)} {_some(r, _DIGITS, 7)}")


def _address(r: random.Random) -> Made:
    return _plain(
        f"{r.randint(101, 126)}.{r.randint(100, 255)}.{r.randint(100, 255)}.{r.randint(100, 255)}"
    )


def _address6(r: random.Random) -> Made:
    return _plain(":".join(_some(r, _HEX, 4) for _ in range(8)))


def _slack(r: random.Random) -> Made:
    value = f"T{_some(r, _ALNUM, 9)}/B{_some(r, _ALNUM, 9)}/{_some(r, _ALNUM, 24)}"
    return value, f"POST https://hooks.slack.com/services/{value} failed"


def _uuid(r: random.Random) -> Made:
    value = "-".join(_some(r, _HEX, count) for count in (8, 4, 4, 4, 12))
    return _plain(value)


def _query(r: random.Random) -> Made:
    value = _some(r, _ALNUM, 10)
    return value, f"GET https://api.example.org/v1/files?ref={value}&page=2 answered 500"


KINDS: Final[dict[str, Callable[[random.Random], Made]]] = {
    "openai": _prefixed("sk-proj-", 48, _URLSAFE),
    "anthropic": _prefixed("sk-ant-api03-", 80, _URLSAFE),
    "aws id": _prefixed("AKIA", 16, string.ascii_uppercase + _DIGITS),
    "aws secret": lambda r: _plain(_some(r, _ALNUM + "+/", 40)),
    "github": _prefixed("ghp_", 36),
    "slack": _prefixed("xoxb-", 40),
    "slack hook": _slack,
    "google": _prefixed("AIza", 35, _URLSAFE),
    "stripe": _prefixed("sk_live_", 24),
    "gitlab": _prefixed("glpat-", 20, _URLSAFE),
    "hugging face": _prefixed("hf_", 34),
    "telegram": lambda r: _plain(f"{_some(r, _DIGITS, 10)}:{_some(r, _URLSAFE, 35)}"),
    "jwt": _jwt,
    "bearer": lambda r: (value := _some(r, _URLSAFE, 30), f"sent Authorization: Bearer {value}"),
    "basic": lambda r: (value := _base64(r, 18), f"sent basic {value} to the registry"),
    "hex key": lambda r: _plain(_some(r, _HEX, 32)),
    "long hex key": lambda r: _plain(_some(r, _HEX, 64)),
    "base64 key": lambda r: _plain(_base64(r, 48)),
    "private key": _private_key,
    "url password": _url_password,
    "url query": _query,
    "password": _named("password", _human_password),
    "generated password": _named("pg_password", _generated_password),
    "passphrase": _named("passphrase", _phrase),
    "api key": _named("x-api-key", lambda r: _some(r, _ALNUM, 20)),
    "session": _named("session_id", lambda r: _some(r, _ALNUM, 24)),
    "cookie": _named("cookie", lambda r: f"fastapiusersauth={_some(r, _URLSAFE, 43)}"),
    "prompt": _named("prompt", _prompt),
    "document": _named("content", _prompt),
    "e-mail": _email,
    "card": _card,
    "iban": _iban,
    "phone": _phone,
    "address": _address,
    "address of IPv6": _address6,
    "user id": _uuid,
}


def secrets(seed: int, count: int = SECRETS) -> list[Secret]:
    """Of each kind about as many."""
    r = random.Random(seed)
    kinds = list(KINDS)
    return [Secret(kind, *KINDS[kind](r)) for kind in (kinds[n % len(kinds)] for n in range(count))]


def base_event() -> dict[str, Any]:
    """One as an SDK makes it, with nothing to hide."""
    frame = {
        "filename": "onyx/chat/process.py",
        "abs_path": "/app/onyx/chat/process.py",
        "function": "answer_question",
        "module": "onyx.chat.process",
        "lineno": 41,
        "in_app": True,
    }
    failed = {
        "type": "ValueError",
        "value": "the stream ended early",
        "module": "builtins",
        "mechanism": {"type": "starlette", "handled": False},
        "stacktrace": {"frames": [frame]},
    }
    return {
        "event_id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "timestamp": "2026-11-27T09:00:00.000000Z",
        "platform": "python",
        "level": "error",
        "logger": "onyx.chat",
        "release": "onyx@1.4.2",
        "environment": "production",
        "server_name": "api-server",
        "transaction": "onyx.chat.send_message",
        "exception": {"values": [copy.deepcopy(failed), failed]},
        "breadcrumbs": {
            "values": [
                {
                    "timestamp": "2026-11-27T08:59:59.000000Z",
                    "category": "onyx.chat",
                    "level": "info",
                    "message": "retrieval is done",
                    "data": {},
                }
            ]
        },
        "request": {
            "url": "http://api-server/chat/send-message",
            "method": "POST",
            "headers": {"content-type": "application/json"},
        },
        "user": {"id": "4711"},
        "tags": {"service": "api-server"},
        "extra": {},
        "contexts": {"error_context": {"request_context": {}, "system_context": {}}},
    }


Slot = Callable[[dict[str, Any], Secret], None]


def _at(*path: str | int, bare: bool = False) -> Slot:
    """Put there what was said, or the value itself."""

    def put(event: dict[str, Any], secret: Secret) -> None:
        *above, last = path
        place: Any = event
        for name in above:
            place = place.setdefault(name, {}) if isinstance(place, dict) else place[name]
        place[last] = secret.value if bare else secret.said

    return put


def _url(pattern: str) -> Slot:
    def put(event: dict[str, Any], secret: Secret) -> None:
        event["request"]["url"] = pattern.format(quote(secret.value, safe=""))

    return put


def _listed(*path: str | int) -> Slot:
    def put(event: dict[str, Any], secret: Secret) -> None:
        _at(*path)(event, Secret(secret.kind, secret.value, [secret.value, "--verbose"]))  # type: ignore[arg-type]  # a list on purpose

    return put


def _source(*path: str | int) -> Slot:
    """As a file has it: line by line, and by its name, as nothing stands there without one."""

    def put(event: dict[str, Any], secret: Secret) -> None:
        lines = ["def ask():", *secret.said.split("\n"), "    return 1"]
        _at(*path)(event, Secret(secret.kind, secret.value, lines))  # type: ignore[arg-type]  # a list on purpose

    return put


_FAILED: Final = ("exception", "values", 1)
_FRAME: Final = (*_FAILED, "stacktrace", "frames", 0)
_CRUMB: Final = ("breadcrumbs", "values", 0)
_CONTEXT: Final = ("contexts", "error_context")
SLOTS: Final[dict[str, Slot]] = {
    "message": _at("message"),
    "log message": _at("logentry", "message"),
    "log message, formatted": _at("logentry", "formatted"),
    "log parameters": _listed("logentry", "params"),
    "exception": _at(*_FAILED, "value"),
    "cause of the exception": _at("exception", "values", 0, "value"),
    "data of the mechanism": _at(*_FAILED, "mechanism", "data", bare=True),
    "local variable": _at(*_FRAME, "vars", "value", bare=True),
    "local variable in another": _at(*_FRAME, "vars", "self", "value", bare=True),
    "list in a local variable": _listed(*_FRAME, "vars", "arguments"),
    "source line": _at(*_FRAME, "context_line"),
    "source lines before": _source(*_FRAME, "pre_context"),
    "source lines after": _source(*_FRAME, "post_context"),
    "file name": _at(*_FRAME, "filename"),
    "breadcrumb": _at(*_CRUMB, "message"),
    "data of a breadcrumb": _at(*_CRUMB, "data", "body", bare=True),
    "address in a breadcrumb": _at(*_CRUMB, "data", "url", bare=True),
    "category of a breadcrumb": _at(*_CRUMB, "category"),
    "query of the address": _url("http://api-server/search?ref={}"),
    "fragment of the address": _url("http://api-server/search#{}"),
    "login in the address": _url("http://onyx:{}@api-server/search"),
    "query string": _at("request", "query_string", bare=True),
    "authorization": _at("request", "headers", "authorization", bare=True),
    "cookie header": _at("request", "headers", "Cookie", bare=True),
    "header of ours": _at("request", "headers", "X-Onyx-Key", bare=True),
    "referer": _at("request", "headers", "Referer", bare=True),
    "user agent": _at("request", "headers", "User-Agent"),
    "cookies": _at("request", "cookies", "fastapiusersauth", bare=True),
    "form": _at("request", "data", "field", bare=True),
    "body": _at("request", "data", bare=True),
    "environment of the request": _at("request", "env", "REMOTE_ADDR", bare=True),
    "user id": _at("user", "id", bare=True),
    "mail of the user": _at("user", "email", bare=True),
    "name of the user": _at("user", "username", bare=True),
    "arguments of the process": _listed("extra", "sys.argv"),
    "extra": _at("extra", "anything", bare=True),
    "extra in a mapping": _at("extra", "payload", "inner", bare=True),
    "context of ours": _at("contexts", "llm", "prompt", bare=True),
    "session": _at(*_CONTEXT, "session_id", bare=True),
    "field unknown in a context": _at(*_CONTEXT, "system_context", "hostname", bare=True),
    "address in a context": _at(*_CONTEXT, "request_context", "url"),
    "tag": _at("tags", "component"),
    "tag unknown": _at("tags", "customer", bare=True),
    "fingerprint": _listed("fingerprint_of_nobody"),
    "part of the fingerprint": lambda event, secret: event.update(fingerprint=[secret.said]),
    "transaction": _at("transaction"),
    "server": _at("server_name"),
    "threads": _at("threads", "values", bare=True),
    "modules": _at("modules", "name", bare=True),
    "field unknown": _at("something_new", "deep", "deeper", bare=True),
}


def planted(slot: str, secret: Secret) -> dict[str, Any]:
    """An event with the secret in that place."""
    event = base_event()
    SLOTS[slot](event, secret)
    return event


def main(seed: int) -> None:
    """Every secret in every place."""
    for secret in secrets(seed):
        for slot in SLOTS:
            line = {
                "kind": secret.kind,
                "slot": slot,
                "secret": secret.value,
                "event": planted(slot, secret),
            }
            sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)
