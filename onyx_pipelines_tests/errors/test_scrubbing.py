"""What leaves a service in an event.

`python -m bench scrubbing` changes the rules and the code, one thing at a time, and counts how
often these tests notice; so they take no fixtures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from onyx_pipelines.errors import rules, scrubbing
from onyx_pipelines_tests.errors import corpus

KEY = "key of the tests"
# HMAC-SHA256 of "4711" and of "s-1" under KEY, computed by openssl.
USER, SESSION = "p-5f2135e697d61a56", "p-180614336b07caf2"
RUN = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def scrubber(**given: Any) -> scrubbing.Scrubber:
    return scrubbing.Scrubber(pseudonym_key=KEY, **given)


def text(raw: str) -> str:
    return scrubber().text(raw)


def in_message(raw: object) -> object:
    return scrubber()({"message": raw}).get("message")


# --- what is taken out of a text -----------------------------------------------------------------


def _listed(words: str) -> list[str]:
    return words.split(", ")


BEFORE_A_SECRET = _listed(
    "pass, password, passwd, passphrase, passcode, pwd, secret, api-key, api_key, apikey, api key,"
    " access_key, private_key, secret_key, signing_key, encryption_key, account_key, shared_key,"
    " key_id, keyid, key id, token, jwt, auth, authorization, credential, credentials, cookie,"
    " session, session_id, sessionid, session id, csrf, dsn, signature, mnemonic, seed phrase,"
    " recovery phrase, recovery code, otp, pin, cvv, cvc, ssn, iban"
)
BEFORE_CONTENT = _listed(
    "prompt, question, query, content, completion, user_input, user-input, userinput, user input,"
    " chat_history, chat-history, chathistory, chat history, chunk, document, snippet, statement,"
    " parameters, argv, args, email, e-mail, user, username, user_name, full_name, fullname,"
    " first_name, firstname, first name, last_name, lastname, phone, address, birthday, birthdate,"
    " birth_date, birth date, row contains, detail, sql"
)
SIGNS = ["=", ": ", " => ", "': ", '\\": ', "]   =   ", ")=", "\t:\t"]


@pytest.mark.parametrize(
    ("words", "left"), [(BEFORE_A_SECRET, "[secret]"), (BEFORE_CONTENT, "[content]")]
)
def test_what_has_a_name_is_taken_out_to_the_end_of_the_line(words: list[str], left: str) -> None:
    left_over = [
        (word, sign)
        for word in words
        for sign in SIGNS
        if "apple" in text(f"no {word}{sign}apple pie\nnext") or "next" not in text("a=b\nnext")
    ]

    assert left_over == []
    assert [text(f"no {word}=apple pie\nnext") for word in words] == [
        f"no {word}={left}\nnext" for word in words
    ]


@pytest.mark.parametrize("word", ["PASSWORD", "Api-Key", "Prompt", "Content"])
def test_names_are_of_any_case(word: str) -> None:
    assert "pie" not in text(f"{word}=apple pie")


KEYS = _listed(
    "sk, pk, rk, whsec, ghp, gho, ghu, ghs, ghr, github_pat, glpat, glrt, xoxa, xoxb, xoxe, xoxo,"
    " xoxp, xoxr, xoxs, xapp, npm, pypi, hf, dop_v1, shpat, lin_api, sntrys, tvly, gsk, nvapi, SG,"
    " ya29, AGE-SECRET-KEY"
)


@pytest.mark.parametrize("sign", ["_", "-", "."])
def test_a_key_of_a_provider_is_known_by_its_beginning(sign: str) -> None:
    # Of two kinds of character at most: nothing else of the rules knows it.
    found = {each: text(f"used {each}{sign}aaa_b.-=+/a4 ok") for each in KEYS}

    assert found == dict.fromkeys(KEYS, "used [token] ok")


@pytest.mark.parametrize("beginning", ["AKIA", "ASIA", "AIza", "EAAC"])
def test_and_one_of_a_cloud(beginning: str) -> None:
    assert text(f"used {beginning}aaaa_-aaaa ok") == "used [token] ok"


TAKEN = [
    ("-----BEGIN PRIVATE KEY-----\nab\ncd\n-----END PRIVATE KEY-----\nx", "[private-key]\nx"),
    ("-----BEGIN RSA PRIVATE KEY----- ab -----END RSA PRIVATE KEY-----", "[private-key]"),
    ("-----BEGIN CERTIFICATE-----\nab\n-----END CERTIFICATE-----", "[private-key]"),
    ("-----BEGIN PGP MESSAGE-----\nab\n-----END PGP MESSAGE-----", "[private-key]"),
    ("-----BEGIN PRIVATE KEY-----\nits end is cut off", "[private-key]"),
    ("-----BEGIN PRIVATE KEY (ENCRYPTED)-----\nab\n-----END PRIVATE KEY-----", "[private-key]"),
    ("to redis://onyx:apple@cache:6379/0", "to redis://[login]cache:6379/0"),
    ("to postgresql+psycopg2://a:b@c@db/x", "to postgresql+psycopg2://[login]db/x"),
    ("a2.b-c://u@h", "a2.b-c://[login]h"),
    ("REDIS://u:p@h", "REDIS://[login]h"),
    ("ab://@h", "ab://[login]h"),
    ("token => apple pie", "token => [secret]"),
    ("prompt => apple pie", "prompt => [content]"),
    ("ab://q?x ab://?x AB://Q?x", "ab://q[query] ab://[query] AB://Q[query]"),
    ("bearer abcd", "bearer [credential]"),
    ("is eyJabcdef", "is [token]"),
    ("NO93 8601 1117.", "[iban]."),
    ("GB82 WEST 1234 5698 7654 3", "[iban]"),
    ("11111111111111111111", "[number]"),
    ("at FE80::AB a::1", "at [address] [address]"),
    ("call +1 234 5678", "call [number]"),
    ("call (30)123456 (12345)123456", "call [number] [number]"),
    ("https://hooks.slack.com/services/T/B/x failed", "https://hooks.slack.com/[webhook] failed"),
    ("https://discord.com/api/webhooks/1/x", "https://discord.com/[webhook]"),
    ("https://discordapp.com/api/webhooks/1/x", "https://discordapp.com/[webhook]"),
    ("https://api.telegram.org/bot/x", "https://api.telegram.org/[webhook]"),
    ("https://acme.webhook.office.com/a/b", "https://acme.webhook.office.com/[webhook]"),
    ("HTTPS://Hooks.Slack.com/services", "HTTPS://Hooks.Slack.com/[webhook]"),
    ("GET http://q:6333/a/b?x=y z", "GET http://q:6333/a/b[query] z"),
    ("GET s3+x.y-z://q/a#frag z", "GET s3+x.y-z://q/a[query] z"),
    ('at "http://q/a?x"', "at [quoted]"),
    ("<http://q/a?x>", "<http://q/a[query]>"),
    ("'http://q/a?x'", "[quoted]"),
    ("sent Basic abcd=", "sent Basic [credential]"),
    ("(bearer\tab.c-d~e", "(bearer\t[credential]"),
    ("digest abcD", "digest [credential]"),
    ("BASIC abc4 DIGEST 4abc", "BASIC [credential] DIGEST [credential]"),
    ("basic abc= Digest ab/c", "basic [credential] Digest [credential]"),
    ("Negotiate  YIIa+/=_:", "Negotiate  [credential]"),
    ("password hunter2 is wrong", "password [secret] is wrong"),
    ("passwd is s!x, no", "passwd is [secret] no"),
    ("passphrase was x1", "passphrase was [secret]"),
    ("passcode 1a", "passcode [secret]"),
    ("pwd  x_y", "pwd  [secret]"),
    ("pass\tof\tx2", "pass\tof\t[secret]"),
    ("secret a=b", "secret [secret]"),
    ("token x9", "token [secret]"),
    ("KEY x9", "KEY [secret]"),
    ('near "two words" there', "near [quoted] there"),
    ('near "x1"', "near [quoted]"),
    ('near "never closed', "near [quoted]"),
    ('near "a\\"b c" there', "near [quoted] there"),
    ('at\n"a b"', "at\n[quoted]"),
    ('x=b"a b"', "x=b[quoted]"),
    ("'two words' there", "[quoted] there"),
    ("near 'x1'", "near [quoted]"),
    ("near 'never closed\nnext", "near [quoted]\nnext"),
    ("near 'a\\'b c' there", "near [quoted] there"),
    ("x=b'a b' r'a b' u'a b' f'a b'", "x=b[quoted] r[quoted] u[quoted] f[quoted]"),
    ("b'a b'", "b[quoted]"),
    ("near `two words` there", "near [quoted] there"),
    ("`a b`", "[quoted]"),
    ("near `never closed\nnext", "near [quoted]\nnext"),
    (f"'{'a' * 61}'", "[quoted]"),
    (f'"{"a" * 61}"', "[quoted]"),
    (f"`{'a' * 61}`", "[quoted]"),
    ("is eyJhbGciO.", "is [token]"),
    ("is eyJhbGciO.eyJ.s-g_ ok", "is [token] ok"),
    (f"bot 12345678:{'a' * 30}", "bot [token]"),
    (f"bot 1234567890:{'a' * 20}-_{'a' * 8}", "bot [token]"),
    ("of bob@example.org.", "of [email]."),
    ("of bob.x%40Example.Org", "of [email]"),
    ("<bob@exämple.org>", "<[email]>"),
    ("a=bob@x.io;", "a=[email];"),
    (f"run {RUN} ended", "run [uuid] ended"),
    (RUN.upper(), "[uuid]"),
    ("to DE89370400440532013000.", "to [iban]."),
    ("(GB82 WEST 1234 5698 7654 32)", "([iban])"),
    ("NO93 8601 1117 947", "[iban]"),
    ("is aB3aB3aB3aB3", "is [random]"),
    ("is aB-aB_aB+aB=3", "is [random]"),
    ("x aaaaaaaaaaaaaaaaaaa1 y", "x [random] y"),
    ("x AAAAAAAAAAAAAAAAAAA1", "x [random]"),
    ("11111111111111111111a", "[random]"),
    ("at aB3/aB3+aB3/aB3+aB3/aB3+aB3/aB3+== x", "at [random] x"),
    ("aB3/aB3+aB3/aB3+aB3/aB3+aB3/aB3+", "[random]"),
    ("from 8.8.8.8, 203.0.113.9", "from [address], [address]"),
    ("172.15.0.1 172.32.0.1 11.0.0.1 192.169.0.1", "[address] [address] [address] [address]"),
    ("at fe80::1%eth0", "at [address]%eth0"),
    ("at 2001:db8::ff00:42:8329", "at [address]"),
    ("2001:DB8:0:1:2:3:4:5", "[address]"),
    ("call +49 171 2345678", "call [number]"),
    ("call (030) 123-45 678 90", "call [number]"),
    ("call (30)123456", "call [number]"),
    ("call 555-123-4567.", "call [number]."),
    ("123 456 789", "[number]"),
    ("card 4111 1111 1111 1111", "card [number]"),
    ("card 4111-1111-1111-1111", "card [number]"),
    ("id 123456789", "id [number]"),
    ("ssn no 078-05-1120", "ssn no [number]"),
    ("078-05-1120", "[number]"),
    ("/home/bob/x /Users/bob/x", "/home/[home]/x /Users/[home]/x"),
    ("in C:\\Users\\bob\\x", "in C:\\Users\\[home]\\x"),
    ("in C:\\\\Users\\\\bob\\\\x", "in C:\\\\Users\\\\[home]\\\\x"),
]


def test_taken_out_of_a_text() -> None:
    assert [(raw, text(raw)) for raw, _ in TAKEN] == TAKEN


KEPT = [
    'FATAL:  password authentication failed for user "onyx"',
    "password is required, token expired. secret missing: no; the key was lost",
    "[Errno 2] No such file or directory: '/var/lib/onyx/rules.yml'",
    "'NoneType' object has no attribute 'foo_bar'",
    "it's what it's called; don't",
    "see `pg_dump` and \"pg-restore\" and ''",
    f"'{'a' * 60}' \"{'a' * 60}\" `{'a' * 60}`",
    "http://qdrant:6333/collections/documents",
    "mailto:nobody at example.org, user@host",
    "basic types, bearer abc, Digest authentication",
    "a basic of, unbearer abcd, a2basic2 abcD",
    "max_tokens=4096, prompt_tokens: 12",
    "at 2026-11-27 09:00:01.123 it took 30000 ms for 12345678 bytes",
    "10.0.0.3 127.0.0.1 172.16.0.1 172.25.3.4 172.31.0.1 192.168.0.9 0.0.0.0",
    "std::vector foo::bar::c 12:30:45",
    "pg_dump 14.11.2 cannot dump server 16",
    "/usr/lib/python3.11/site-packages/dagster/_core/execution/plan/execute_step.py",
    "onyx_pipelines.backup.assets2.postgres_backup",
    "claude-sonnet-20241022 and text-embedding-3-large",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaa AAAAAAAAAAAAAAAAAAAAAAAAAAAA 12345678",
    "aB3aB3aB3aB aaaaaaaaaaaaaaaaaa1",
    "aB3/aB3+aB3/aB3+aB3/aB3+aB3/aB3",
    "sk-abcdefghij4 pk_x, eyJab, hf_hub_download_snapshot_of, ask-abcdefghijklmno4 AIzaab_cd-efg",
    "123-45-67 2026-11-27",
    "-----BEGIN TABLE-----",
    "bob@host a@b.c",
    "a://u@h a://q?x",
    "basic abC",
    "empty \"\" and `` and ''",
    "eyJabcde",
    "DE12 ABCD EFGHx DE12ABCD",
    "abcDEF/abcDEF/abcDEF/abcDEF/abcDEF/abcDEF",
    "abc123/abc123/abc123/abc123/abc123/abc123",
    "ABC123/ABC123/ABC123/ABC123/ABC123/ABC123",
    "ABC-123-ABC-123",
    "8.8.8.8888 8...8 .1.2.3 8.8..8",
    " :1:2:3:4:5:6:7 1:2:3:4:5:6:7: abc::defg :12 ::1 fe80::",
    "+1 234 567",
    "(3) 123456 (30) 12345",
    "12 345 678, 345 678, 345 67 890",
    "078-05-11201",
    "in C:Users\\bob C:\\Usersbob",
    f"1234567:{'a' * 30} 12345678:{'a' * 29}",
    "DE12 3456",
]


def test_kept_in_a_text() -> None:
    assert [text(raw) for raw in KEPT] == KEPT


def test_a_long_text_is_cut_off_where_a_secret_could_not_be_cut_in_two() -> None:
    limits = replace(rules.load_rules(), read_characters=20, text_characters=15)
    cut = scrubber(rules=limits)

    assert cut.text("a" * 15) == "a" * 15
    assert cut.text("a" * 16) == "a" * 15 + "…"
    assert cut.text("aaaa bbbb cccc\nnnnnn") == "aaaa bbbb cccc\n…"
    assert cut.text("aaaa bbbb dddd\tnnnnnn") == "aaaa bbbb dddd\t"
    assert cut.text("aaaa bbbb secretsecret") == "aaaa bbbb "
    assert cut.text("s" * 21) == ""


def test_the_limits_are_those_of_the_file() -> None:
    found = rules.load_rules()

    assert (found.read_characters, found.text_characters, found.list_items) == (16384, 2048, 100)


def test_what_the_process_knows_to_be_a_secret_is_taken_out_whatever_it_looks_like() -> None:
    told = scrubber(secrets=["applepie"])

    assert told({"message": "with applepie"})["message"] == "with [secret]"


# --- what of an event leaves ---------------------------------------------------------------------


def whole_event() -> dict[str, Any]:
    """Every field that is allowed, and nothing to take out."""
    headers = {
        "accept": "text/html",
        "content-length": "12",
        "content-type": "application/json",
        "host": "api-server",
        "user-agent": "curl",
    }
    failed = {
        "type": "ValueError",
        "value": "it ended early",
        "module": "builtins",
        "mechanism": {
            "type": "chained",
            "handled": False,
            "exception_id": 1,
            "parent_id": 0,
            "is_exception_group": True,
        },
        "stacktrace": {
            "frames": [
                {
                    "filename": "onyx/chat.py",
                    "abs_path": "/app/onyx/chat.py",
                    "function": "answer",
                    "module": "onyx.chat",
                    "lineno": 41,
                    "colno": 7,
                    "in_app": True,
                }
            ]
        },
    }
    return {
        "event_id": RUN.replace("-", ""),
        "timestamp": "2026-11-27T09:00:00.123456Z",
        "platform": "python",
        "level": "error",
        "logger": "onyx.chat",
        "server_name": "api",
        "release": "onyx-api@1.4.2",
        "environment": "production",
        "transaction": "onyx.chat.send",
        "type": "error",
        "message": "it failed",
        "logentry": {"message": "it failed", "formatted": "it did fail"},
        "fingerprint": ["chat", "early"],
        "exception": {"values": [failed]},
        "breadcrumbs": {
            "values": [
                {
                    "timestamp": "2026-11-27T08:59:59+00:00",
                    "type": "default",
                    "category": "onyx.chat",
                    "level": "info",
                    "message": "retrieved",
                }
            ]
        },
        "request": {"url": "http://api/chat", "method": "POST", "headers": headers},
        "user": {"id": "4711", "session_id": "s-1"},
        "tags": {
            "service": "api",
            "stack": "blue",
            "component": "postgresql",
            "job": "nightly_backup",
            "step": "postgres_backup",
            "asset": "postgres_backup",
            "provider": "litellm",
            "model": "small",
            "status": 500,
            "queue": "default",
            "scrubber": "well",
        },
        "sdk": {"name": "sentry.python", "version": "2.75.0"},
        "contexts": {
            "runtime": {"name": "CPython", "version": "3.11.2"},
            "os": {"name": "Linux", "version": "6.1"},
            "trace": {
                "trace_id": RUN.replace("-", ""),
                "span_id": "0f1e2d3c4b5a6978",
                "parent_span_id": "8796a5b4c3d2e1f0",
                "op": "http",
                "status": "internal_error",
            },
            "dagster": {
                "job": "nightly_backup",
                "step": "postgres_backup",
                "asset": ["postgres_backup"],
                "run_id": RUN,
                "run_url": f"https://dagster.example.org:3000/runs/{RUN}",
                "remedy": "Start it.",
            },
            "error_context": {
                "user_id": "4711",
                "session_id": "s-1",
                "request_context": {
                    "url": "http://api/chat",
                    "method": "POST",
                    "headers": headers,
                    "body_size": 12,
                },
                "system_context": {
                    "service_name": "api",
                    "version": "1.4.2",
                    "container_id": "0f1e2d3c4b5a",
                    "memory_usage_mb": 81.5,
                    "cpu_usage_percent": 3.25,
                },
            },
        },
        "check_in_id": RUN,
        "monitor_slug": "nightly-backup",
        "status": "ok",
        "duration": 12.5,
        "monitor_config": {
            "schedule": {"type": "crontab", "value": "0 2 * * *"},
            "timezone": "UTC",
            "checkin_margin": 5,
            "max_runtime": 60,
            "failure_issue_threshold": 1,
            "recovery_threshold": 1,
        },
    }


def test_an_event_with_nothing_to_hide_leaves_as_it_is_but_for_whose_it_was() -> None:
    expected = whole_event()
    expected["user"] = {"id": USER, "session_id": SESSION}
    expected["contexts"]["error_context"] |= {"user_id": USER, "session_id": SESSION}

    assert scrubber()(whole_event()) == expected


def _leaves(tree: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for name, each in inner:
        yield from _leaves(each, (*path, name))
    if not isinstance(tree, (dict, list)):
        yield path


def _with(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    event = whole_event()
    place: Any = event
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return event


def test_no_field_lets_an_address_of_somebody_through() -> None:
    clean = scrubber()
    events = {path: clean(_with(path, "bob@example.org")) for path in _leaves(whole_event())}

    assert [path for path, event in events.items() if "bob" in json.dumps(event)] == []


@pytest.mark.parametrize(
    "field",
    ["extra", "modules", "threads", "spans", "debug_meta", "attachments", "request_data", "_meta"],
)
def test_a_field_that_is_not_listed_does_not_leave(field: str) -> None:
    assert scrubber()({"message": "x", field: {"a": "b"}}) == {"message": "x"}


@pytest.mark.parametrize("value", [[1], {"a": "b"}, None, b"x", object()])
def test_a_text_of_another_kind_does_not_leave(value: object) -> None:
    assert scrubber()({"message": value}) == {}


@pytest.mark.parametrize("value", ["a", 1, ["a"], None])
def test_a_mapping_of_another_kind_does_not_leave(value: object) -> None:
    assert scrubber()({"tags": value}) == {}


@pytest.mark.parametrize("value", ["ab", 1, {"a": "b"}, None])
def test_a_list_of_another_kind_does_not_leave(value: object) -> None:
    assert scrubber()({"fingerprint": value}) == {}


def test_a_tuple_is_a_list_and_what_is_no_text_in_it_does_not_leave() -> None:
    assert scrubber()({"fingerprint": ("a", None, "b")}) == {"fingerprint": ["a", "b"]}


def test_of_a_long_list_the_last_leave() -> None:
    short = scrubber(rules=replace(rules.load_rules(), list_items=2))

    assert short({"fingerprint": ["a", "b", "c"]}) == {"fingerprint": ["b", "c"]}


@pytest.mark.parametrize("value", [0, -1.5, 9_999_999_999, -9_999_999_999, True, False])
def test_a_number_is_kept(value: float) -> None:
    assert in_message(value) is value


@pytest.mark.parametrize(
    "value", [10_000_000_000, -10_000_000_000, 4.1e15, float("nan"), float("inf")]
)
def test_a_number_that_may_be_somebodys_is_not(value: float) -> None:
    assert in_message(value) == "[number]"


def test_a_moment_is_written_in_utc() -> None:
    moment = datetime(2026, 11, 27, 10, tzinfo=timezone(timedelta(hours=1)))

    assert in_message(moment) == "2026-11-27T09:00:00+00:00"


def test_names_of_headers_are_of_any_case() -> None:
    told = scrubber()({"request": {"headers": {"User-Agent": "curl", "Authorization": "x"}}})

    assert told == {"request": {"headers": {"user-agent": "curl"}}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("event_id",), "abc" * 11),
        (("event_id",), "A" * 31 + "1"),
        (("release",), "bob@example.org"),
        (("release",), "onyx@" + "aB3" * 10),
    ],
)
def test_what_is_not_of_its_format_is_a_text_like_others(path: tuple[str], value: str) -> None:
    assert scrubber()({path[0]: value})[path[0]] == text(value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", "0f1e2d3c4b5a"),
        ("event_id", "0f1e2d3c4b5a6978"),
        ("event_id", "0f1e2d3c" * 4),
        ("event_id", "0f1e2d3c" * 8),
        ("event_id", RUN),
        ("event_id", "123456789012"),
        ("event_id", "1234567890123456"),
        ("timestamp", "2026-11-27T09:00:00Z"),
        ("timestamp", "2026-11-27T09:00:00.1+01:00"),
        ("release", "onyx@1.4"),
        ("release", "a@1.2.3.4"),
        ("release", "onyx-api@1.4.2-rc1"),
        ("release", "onyx@0f1e2d3"),
        ("release", "onyx@0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"),
    ],
)
def test_what_is_of_its_format_is_kept_as_it_is(field: str, value: str) -> None:
    assert scrubber()({field: value})[field] == value


@pytest.mark.parametrize(
    "link",
    [
        f"https://dagster.example.org/runs/{RUN}",
        f"http://localhost:3000/runs/{RUN}",
        f"https://example.org/a/b_c/d-e/F/runs/{RUN}",
    ],
)
def test_the_link_of_a_run_is_kept(link: str) -> None:
    told = scrubber()({"contexts": {"dagster": {"run_url": link}}})

    assert told == {"contexts": {"dagster": {"run_url": link}}}


@pytest.mark.parametrize(
    "link", [f"https://u:p@example.org/runs/{RUN}", f"https://x/runs/{RUN}?a=b", f"x/runs/{RUN}"]
)
def test_another_link_is_a_text(link: str) -> None:
    told = scrubber()({"contexts": {"dagster": {"run_url": link}}})

    assert told == {"contexts": {"dagster": {"run_url": text(link)}}}


# --- whose it was --------------------------------------------------------------------------------


def test_a_user_is_the_same_pseudonym_everywhere_and_of_any_type() -> None:
    told = scrubber()({"user": {"id": 4711}, "contexts": {"error_context": {"user_id": "4711"}}})

    assert told == {"user": {"id": USER}, "contexts": {"error_context": {"user_id": USER}}}


def test_without_a_key_there_is_no_pseudonym() -> None:
    assert scrubbing.Scrubber()({"user": {"id": "4711", "session_id": "s-1"}}) == {"user": {}}


def test_nobody_is_no_pseudonym() -> None:
    assert scrubber()({"user": {"id": ""}}) == {"user": {}}


def test_yes_and_no_are_nobodys() -> None:
    assert scrubber()({"user": {"id": True}}) == {"user": {"id": True}}


def test_another_key_is_another_pseudonym() -> None:
    assert scrubbing.Scrubber(pseudonym_key="other").pseudonym("4711") != USER


# --- when scrubbing itself fails -----------------------------------------------------------------


class Broken(Mapping[str, Any]):
    """Reads like a mapping until somebody looks at everything."""

    def __init__(self, inner: dict[str, Any]) -> None:
        self.inner = inner

    def __getitem__(self, key: str) -> Any:
        return self.inner[key]

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("bob@example.org")

    def __len__(self) -> int:
        return 1


def test_an_event_that_could_not_be_scrubbed_leaves_as_its_types_alone() -> None:
    failed = [
        {"type": "ValueError", "value": "bob@example.org"},
        {"type": "a.B_1"},
        {"type": "a b"},
    ]
    event = Broken({"event_id": "0f" * 16, "exception": {"values": failed}, "message": "x"})

    assert scrubber()(event) == {
        "event_id": "0f" * 16,
        "level": "error",
        "exception": {"values": [{"type": "ValueError"}, {"type": "a.B_1"}]},
        "fingerprint": ["scrubber-failed", "ValueError", "a.B_1"],
        "tags": {"scrubber": "failed"},
    }


@pytest.mark.parametrize("inner", [{}, {"event_id": "bob"}, {"event_id": 3}, {"exception": 3}])
def test_and_without_them_as_one_that_failed(inner: dict[str, Any]) -> None:
    told = scrubber()(Broken(inner))

    assert len(told.pop("event_id")) == 32
    assert told == {
        "level": "error",
        "exception": {"values": []},
        "fingerprint": ["scrubber-failed"],
        "tags": {"scrubber": "failed"},
    }


def test_what_is_no_event_leaves_as_one_that_failed() -> None:
    assert scrubber()("bob@example.org")["tags"] == {"scrubber": "failed"}  # type: ignore[arg-type]  # no event at all


# --- all of it -----------------------------------------------------------------------------------


def test_no_secret_leaves_from_any_place() -> None:
    """Some of each kind; all 500 in every place is `python -m bench scrubbing`."""
    clean = scrubber()
    leaks = [
        (secret.kind, slot)
        for secret in corpus.secrets(16, 2 * len(corpus.KINDS))
        for slot in corpus.SLOTS
        if secret.is_in(json.dumps(clean(corpus.planted(slot, secret)), ensure_ascii=False))
    ]

    assert leaks == []


def test_what_is_scrubbed_already_stays_as_it_is() -> None:
    once = [text(raw) for raw, _ in TAKEN]

    assert [text(each) for each in once] == once
