"""Healthy data of all kinds, at random but the same for the same number."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from psycopg import sql
from qdrant_client import models

# Type → an SQL expression of the row number `i`; NULL now and then.
_COLUMNS = {
    "int4": "(i * 7919 % 104729)::int4",
    "int8": "i::int8 * 1234567891",
    "numeric(20,6)": "(i * 1.000001 / 3)::numeric(20,6)",
    "text": "repeat(md5(i::text), (i % 40)::int)",
    "varchar(40)": "'naïve «quoted» \\ ' || chr((200 + i % 3000)::int)",
    "jsonb": "jsonb_build_object('i', i, 'list', array[i, i + 1], 'text', E'a\\nb\\tc')",
    "timestamptz": "timestamptz '1999-12-31 23:59:59.123456+02' + i * interval '1 hour 7 min'",
    "date": "date '0001-01-01' + (i * 97)::int",
    "uuid": "md5(i::text)::uuid",
    "bytea": "decode(md5(i::text), 'hex')",
    "bool": "i % 3 = 0",
    "float8": "CASE i % 5 WHEN 0 THEN 'NaN'::float8 WHEN 1 THEN '-Infinity' ELSE sqrt(i) END",
    "float4": "(i / 3.0)::float4",
    "text[]": "array['x' || i, NULL, '{\",\"}']",
    "interval": "i * interval '1 month 3 days 0.5 seconds'",
    "inet": "('10.0.0.0'::inet + i)",
    "tsvector": "to_tsvector('simple', 'word' || i || ' other')",
    "int4range": "int4range(i::int, (i + 10)::int)",
    "mood": "(array['sad','ok','happy'])[1 + i % 3]::mood",
}
_NAMES = ("plain", "With Capitals", 'quo"ted', "select", "über", "a.b", "x" * 60)


def database_statements(number: int) -> Iterator[str]:
    """Tables of random columns and rows, with what else a schema has."""
    draw = random.Random(number)
    yield "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')"
    yield 'CREATE SCHEMA "Other One"'
    for index in range(draw.randint(1, 3)):
        schema = draw.choice(["public", "Other One"])
        table = sql.Identifier(schema, f"{draw.choice(_NAMES)}{index}"[:63]).as_string()
        types = draw.sample(sorted(_COLUMNS), draw.randint(1, 8))
        columns = ", ".join(f'"c {n}" {kind}' for n, kind in enumerate(types))
        key = "id serial PRIMARY KEY, " if draw.random() < 0.7 else ""
        yield f"CREATE TABLE {table} ({key}{columns})"
        values = ", ".join(
            f"CASE WHEN i % {draw.randint(2, 9)} = 0 THEN NULL ELSE {_COLUMNS[kind]} END"
            for kind in types
        )
        names = ", ".join(f'"c {n}"' for n in range(len(types)))
        rows = draw.choice([0, 1, 7, 200])
        yield (f"INSERT INTO {table} ({names}) SELECT {values} FROM generate_series(1, {rows}) i")
        if draw.random() < 0.5:
            yield f'CREATE INDEX ON {table} (("c 0" IS NULL))'
        if draw.random() < 0.5:
            yield f"DELETE FROM {table} WHERE ctid = '(0,1)'"
        yield f"CREATE VIEW public.view_{index} AS SELECT count(*) AS n FROM {table}"
        if draw.random() < 0.5:
            yield f"COMMENT ON TABLE {table} IS 'it''s\na comment; with --signs'"
    if draw.random() < 0.5:
        yield f"CREATE SEQUENCE public.counter INCREMENT {draw.choice([-3, 1, 10])} MINVALUE -99999"
        yield "SELECT nextval('public.counter') FROM generate_series(1, 5)"
    if draw.random() < 0.5:
        yield "CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql AS $$ SELECT x + 1; $$"
    if draw.random() < 0.5:
        yield "CREATE MATERIALIZED VIEW m AS SELECT 1 AS one"
    if draw.random() < 0.5:
        yield (
            "CREATE TABLE measured (at date NOT NULL, v float8) PARTITION BY RANGE (at);"
            "CREATE TABLE measured_a PARTITION OF measured DEFAULT;"
            "INSERT INTO measured VALUES ('2026-01-01', 0.1), ('2027-01-01', -0.0)"
        )


def vectors_of(number: int) -> models.VectorParams:
    draw = random.Random(number)
    return models.VectorParams(size=draw.randint(1, 64), distance=draw.choice(_DISTANCES))


_DISTANCES = [
    models.Distance.COSINE,
    models.Distance.DOT,
    models.Distance.EUCLID,
    models.Distance.MANHATTAN,
]


def points_of(number: int) -> list[models.PointStruct]:
    draw = random.Random(number)
    size = vectors_of(number).size
    count = draw.choice([0, 1, 3, 90])
    return [
        models.PointStruct(
            id=_point_id(draw, index),
            vector=[draw.uniform(-1, 1) for _ in range(size)],
            payload=_payload(draw, index),
        )
        for index in range(count)
    ]


def _point_id(draw: random.Random, index: int) -> Any:
    return index if draw.random() < 0.5 else f"{draw.getrandbits(128):032x}"


def _payload(draw: random.Random, index: int) -> dict[str, Any] | None:
    if draw.random() < 0.2:
        return None
    return {
        "text": "ü\n" * draw.randint(0, 5),
        "list": [index, None, True, 0.1],
        "nested": {"deep": {"er": draw.random()}},
        "": "no key",
    }


def make_volume(number: int, root: Path) -> None:
    """Files, directories, links, holes, odd names and modes."""
    draw = random.Random(number)
    root.mkdir()
    folders = [root]
    files: list[Path] = []
    for index in range(draw.randint(0, 40)):
        parent = draw.choice(folders)
        path = parent / draw.choice([f"f{index}", f"ü {index}", f"new\nline{index}", f".h{index}"])
        kind = draw.random()
        if kind < 0.2:
            path.mkdir()
            folders.append(path)
        elif kind < 0.3:
            path.symlink_to(draw.choice(["nowhere", "..", "f0", "/etc/passwd"]))
        elif kind < 0.4 and files:
            os.link(draw.choice(files), path)
        else:
            with path.open("wb") as file:
                file.write(draw.randbytes(draw.choice([0, 1, 511, 512, 513, 40_000])))
                if draw.random() < 0.2:
                    file.seek(1_000_000)
                    file.write(b"after a hole")
            path.chmod(draw.choice([0o644, 0o600, 0o755, 0o400, 0o4755]))
            files.append(path)
    for path in folders:
        path.chmod(draw.choice([0o755, 0o700, 0o2775]))
