"""What the tests of scrubbing share: texts with something to take out, and texts with nothing."""

from __future__ import annotations

from typing import Any

from onyx_pipelines.errors import scrubbing

KEY = "key of the tests"
# HMAC-SHA256 of "4711" and of "s-1" under KEY, computed by openssl.
USER, SESSION = "p-5f2135e697d61a56", "p-180614336b07caf2"
RUN = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def scrubber(**given: Any) -> scrubbing.Scrubber:
    return scrubbing.Scrubber(pseudonym_key=KEY, **given)


def text(raw: str) -> str:
    return scrubber().text(raw)


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

KEYS = _listed(
    "sk, pk, rk, whsec, ghp, gho, ghu, ghs, ghr, github_pat, glpat, glrt, xoxa, xoxb, xoxe, xoxo,"
    " xoxp, xoxr, xoxs, xapp, npm, pypi, hf, dop_v1, shpat, lin_api, sntrys, tvly, gsk, nvapi, SG,"
    " ya29, AGE-SECRET-KEY"
)

TAKEN = [
    ("-----BEGIN PRIVATE KEY-----\nab\ncd\n-----END PRIVATE KEY-----\nx", "[private-key]\nx"),
    ("-----BEGIN RSA PRIVATE KEY----- ab -----END RSA PRIVATE KEY-----", "[private-key]"),
    ("-----BEGIN CERTIFICATE-----\nab\n-----END CERTIFICATE-----", "[private-key]"),
    ("-----BEGIN PGP MESSAGE-----\nab\n-----END PGP MESSAGE-----", "[private-key]"),
    ("-----BEGIN PRIVATE KEY-----\nits end is cut off", "[private-key]"),
    ("-----BEGIN PRIVATE KEY (ENCRYPTED)-----\nab\n-----END PRIVATE KEY-----", "[private-key]"),
    ("aB/+cd==\n-----END RSA PRIVATE KEY-----\nx", "[private-key]\nx"),
    ("ab -----END CERTIFICATE-----", "[private-key]"),
    ('ab\t"-----END PGP MESSAGE-----.', "[private-key]."),
    ("ab'\n-----END PGP MESSAGE-----.", "[private-key]."),
    ("to redis://onyx:apple@cache:6379/0", "to redis://[login]cache:6379/0"),
    ("to postgresql+psycopg2://a:b@c@db/x", "to postgresql+psycopg2://[login]db/x"),
    ("a2.b-c://u@h", "a2.b-c://[login]h"),
    ("REDIS://u:p@h", "REDIS://[login]h"),
    ("ab://@h", "ab://[login]h"),
    ("token => apple pie", "token => [secret]"),
    ("prompt => apple pie", "prompt => [content]"),
    ("ab://q?x ab://?x AB://Q?x", "ab://q[query] ab://[query] AB://Q[query]"),
    ("bearer abcd", "bearer [credential]"),
    # What was put in is looked at like the rest.
    ("bearer abcd : apple pie", "bearer [credential] : [secret]"),
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
    ("from 8.8.8.8", "from [address]"),
    ("from 5.22.33.44", "from [address]"),
    ("from 203.113.113.113", "from [address]"),
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
    ("/Users/bob/x", "/Users/[home]/x"),
    ("/home/bob/x", "/home/[home]/x"),
    ("in C:\\Users\\bob\\x", "in C:\\Users\\[home]\\x"),
    ("in C:\\\\Users\\\\bob\\\\x", "in C:\\\\Users\\\\[home]\\\\x"),
]

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
    "ab\n-----END TABLE-----",
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
