"""What is compared of a database without a server: its locale, what a host cannot have, and what
earlier sets do not say."""

from __future__ import annotations

from typing import Any

import pytest

from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.restore.postgres.database_differences import compare
from onyx_pipelines.restore.postgres.differences import HostLimits, database_findings
from onyx_pipelines.restore.postgres.role_names import in_their_letters
from onyx_pipelines.restore.postgres.staged_database import reports_of_damage
from onyx_pipelines.sources.postgres.facts import (
    DatabaseFacts,
    DatabaseProperties,
    Expression,
    SchemaItem,
    TableFacts,
)

PROPERTIES = DatabaseProperties(
    owner="app",
    locale_provider="icu",
    locale="de-u-kn-true",
    icu_rules="&a < b",
    tablespace="archive",
    connection_limit=-1,
    is_template=False,
    grants=("(owner): CONNECT",),
    comment="0" * 64,
    security_labels={},
    settings={"lc_time": "de_DE.UTF-8"},
    role_settings={"zed": {"search_path": "app"}},
)
CHECK = SchemaItem(
    kind="constraint",
    name="public.t c",
    definition="check",
    expressions=(Expression(part="CHECK", form="expression", of="public.t", text="(a > 0)"),),
)
FACTS = DatabaseFacts(
    database="onyx",
    server_version="15.18",
    server_major=15,
    system_identifier="1",
    encoding="UTF8",
    collation="C.UTF-8",
    ctype="C.UTF-8",
    size_bytes=1,
    large_objects=0,
    tables=(),
    sequences=(),
    extensions=(),
    schema_items=(CHECK,),
    properties=PROPERTIES,
)


def with_properties(**changed: Any) -> DatabaseFacts:
    properties = PROPERTIES.model_copy(update=changed)
    return FACTS.model_copy(update={"properties": properties})


def named(found: DatabaseFacts, **options: Any) -> list[str]:
    differences = compare(FACTS, found, **options).differences
    return [f"{each.aspect.value}: {each.name}" for each in differences]


@pytest.mark.parametrize(
    "found",
    [
        FACTS.model_copy(update={"encoding": "LATIN1"}),
        FACTS.model_copy(update={"collation": "C"}),
        FACTS.model_copy(update={"ctype": "C"}),
        with_properties(locale_provider="libc", locale=None, icu_rules=None),
        with_properties(locale="de"),
        with_properties(icu_rules=None),
    ],
    ids=["encoding", "collation", "ctype", "provider", "ICU locale", "ICU rules"],
)
def test_another_locale_is_a_difference(found: DatabaseFacts) -> None:
    assert named(found) == ["encoding: onyx"]


def test_another_tablespace_is_a_difference() -> None:
    assert named(with_properties(tablespace="pg_default")) == ["tablespace: database"]


def test_owners_grants_and_settings_of_roles_count_only_where_the_roles_are() -> None:
    found = with_properties(owner="other", grants=(), role_settings={})

    assert named(found) == [
        "owner: database",
        "grants: database",
        "setting: of role zed: search_path",
    ]
    assert named(found, with_roles=False) == []


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "KOI8R"])
def test_a_role_is_called_what_it_is_whatever_the_encoding_of_its_database(encoding: str) -> None:
    codec = {"LATIN1": "latin1", "WIN1252": "cp1252", "KOI8R": "koi8-r"}[encoding]
    as_read_there = "müller".encode().decode(codec)
    there = FACTS.model_copy(update={"encoding": encoding})
    properties = PROPERTIES.model_copy(update={"owner": as_read_there})
    found = there.model_copy(update={"properties": properties})

    [finding] = (
        each
        for each in database_findings(there, compare(there, found), HostLimits())
        if each.verdict is Verdict.FAILED
    )

    assert (finding.expected, finding.found) == ("app", "müller")


def test_a_name_in_the_letters_of_its_database_stays_as_it_is() -> None:
    assert in_their_letters("table größe: müller, MÃ¼ller", "LATIN1") == (
        "table größe: müller, Müller"
    )


def test_what_a_host_cannot_have_passes_and_is_named() -> None:
    found = with_properties(tablespace="pg_default", settings={})
    limits = HostLimits(tablespaces=("archive",), settings={"lc_time": "no such locale"})

    findings = database_findings(FACTS, compare(FACTS, found), limits)

    assert worst(each.verdict for each in findings) is Verdict.PASSED
    said = {each.message: each.limits for each in findings if each.limits}
    assert said["setting lc_time"] == "no such locale"
    assert "no tablespace archive" in said["tablespace database"]


def test_another_setting_than_the_one_that_a_host_cannot_have_is_a_loss() -> None:
    limits = HostLimits(settings={"work_mem": "too much"})

    findings = database_findings(FACTS, compare(FACTS, with_properties(settings={})), limits)

    assert worst(each.verdict for each in findings) is Verdict.FAILED


def test_a_locale_that_a_host_cannot_have_could_not_be_verified() -> None:
    found = FACTS.model_copy(update={"collation": "C"})
    limits = HostLimits(locale="the server cannot have its locale")

    findings = database_findings(FACTS, compare(FACTS, found), limits)

    assert worst(each.verdict for each in findings) is Verdict.COULD_NOT_VERIFY


def test_no_text_of_a_definition_is_shown() -> None:
    changed = CHECK.expressions[0].model_copy(update={"text": "(a > 'secret')"})
    item = CHECK.model_copy(update={"expressions": (changed,)})

    (difference,) = compare(FACTS, FACTS.model_copy(update={"schema_items": (item,)})).differences

    assert difference.name == "constraint public.t c: CHECK"
    assert "secret" not in difference.found


def with_not_null(name: str, columns: str = "id") -> DatabaseFacts:
    item = SchemaItem(kind="not null", name=name, definition=columns)
    return FACTS.model_copy(update={"server_major": 18, "schema_items": (item,)})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("public.t t_id_not_null", "public.t t_id_not_null1"),
        ('public." t" " t_id_not_null"', 'public." t" " t_id_not_null12"'),
        ('public."a\nb" "a\nb_id_not_null"', 'public."a\nb" "a\nb_id_not_null1"'),
    ],
)
def test_a_not_null_may_have_another_name_that_postgresql_gave_it(before: str, after: str) -> None:
    assert compare(with_not_null(before), with_not_null(after)).differences == ()


@pytest.mark.parametrize(
    ("after", "columns"),
    [
        ("public.t other_id_not_null", "other"),
        ("public.u t_id_not_null1", "id"),
        ("public.t somebodys", "id"),
        ('public."t t_id_not_null" x_not_null', "id"),
    ],
    ids=["of another column", "of another table", "with a name of its own", "with a space"],
)
def test_another_not_null_is_a_difference(after: str, columns: str) -> None:
    expected = with_not_null("public.t t_id_not_null")

    differences = compare(expected, with_not_null(after, columns)).differences

    assert {(each.expected, each.found) for each in differences} == {
        ("present", "missing"),
        ("missing", "present"),
    }


IDENTITY = "integer; not null; identity always"


def with_sequence(definition: str, column: str = IDENTITY) -> DatabaseFacts:
    items = (
        SchemaItem(kind="column", name="public.t.id", definition=column),
        SchemaItem(kind="sequence", name="public.t_id_seq", definition=definition),
    )
    return FACTS.model_copy(update={"schema_items": items})


OF_ID = "; of column public.t.id"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bigint; 7 -3 -900 900 1; cycles", "integer; 7 -3 -900 900 1; cycles"),
        ("bigint; 1 1 1 9223372036854775807 1", "integer; 1 1 1 2147483647 1"),
        ("bigint; 1 1 1 2147483647 1", "integer; 1 1 1 2147483647 1"),
        ("bigint; -1 -1 -9223372036854775808 -1 1", "smallint; -1 -1 -32768 -1 1"),
    ],
)
def test_the_sequence_of_an_identity_may_get_the_type_of_its_column(
    before: str, after: str
) -> None:
    assert compare(with_sequence(before + OF_ID), with_sequence(after + OF_ID)).differences == ()


@pytest.mark.parametrize(
    ("after", "column"),
    [
        ("integer; 1 1 1 100 1", IDENTITY),
        ("integer; 1 2 1 2147483647 1", IDENTITY),
        ("integer; 1 1 1 2147483647 5", IDENTITY),
        ("integer; 1 1 1 2147483647 1", "integer; not null"),
    ],
    ids=["another end", "another step", "another cache", "of no identity"],
)
def test_another_sequence_is_a_difference(after: str, column: str) -> None:
    expected = with_sequence("bigint; 1 1 1 9223372036854775807 1" + OF_ID, column)

    (difference,) = compare(expected, with_sequence(after + OF_ID, column)).differences

    assert difference.name == "sequence public.t_id_seq"


def moving(*tables: tuple[int, int | None, int]) -> DatabaseFacts:
    """Partitions that share their rows: how many, their fingerprint, and by which sample."""
    return FACTS.model_copy(
        update={
            "tables": tuple(
                TableFacts(
                    name=f"public.part_{number}",
                    rows=rows,
                    fingerprint=None if fingerprint is None else str(fingerprint),
                    fingerprint_method="named columns",
                    sample_modulus=modulus,
                    size_bytes=1,
                    rows_move_in="public.whole",
                )
                for number, (rows, fingerprint, modulus) in enumerate(tables)
            )
        }
    )


class TestPartitionsByTheHashOfAnEnum:
    BEFORE = moving((2, 30, 1), (1, 5, 1))

    def test_may_have_their_rows_among_each_other_which_is_said(self) -> None:
        comparison = compare(self.BEFORE, moving((0, 0, 1), (3, 35, 1)))

        assert comparison.differences == ()
        assert [(each.name, each.weighs) for each in comparison.undecided] == [
            ("public.part_0", False),
            ("public.part_1", False),
        ]

    @pytest.mark.parametrize(
        ("found", "aspect"),
        [
            (moving((0, 0, 1), (2, 35, 1)), "rows"),
            (moving((2, 30, 1), (1, 6, 1)), "content"),
            (moving((0, 0, 1), (3, 36, 1)), "rows"),
        ],
        ids=["a row is lost", "a value is another", "moved, and a value is another"],
    )
    def test_may_lose_nothing(self, found: DatabaseFacts, aspect: str) -> None:
        assert {d.aspect.value for d in compare(self.BEFORE, found).differences} == {aspect}

    @pytest.mark.parametrize("of_second", [(1, None, 1), (1, 5, 2)], ids=["counted", "sampled"])
    def test_could_not_be_verified_where_rows_were_only_counted(
        self, of_second: tuple[int, int | None, int]
    ) -> None:
        comparison = compare(moving((2, 30, 1), of_second), moving((0, 0, 1), (3, 7, 1)))

        assert comparison.differences == ()
        assert {each.weighs for each in comparison.undecided} == {True}


def with_heir(definition: str, of_parent: str = "integer; not null") -> DatabaseFacts:
    items = (
        SchemaItem(kind="table", name="public.plan", definition=""),
        SchemaItem(kind="table", name="public.draft", definition="inherits from public.plan"),
        SchemaItem(kind="column", name="public.plan.id", definition=of_parent),
        SchemaItem(kind="column", name="public.draft.id", definition=definition),
    )
    return FACTS.model_copy(update={"schema_items": items})


def test_a_not_null_that_a_table_has_of_its_parents_comes_back() -> None:
    found = with_heir("integer; not null")

    assert compare(with_heir("integer"), found).differences == ()


def test_any_other_not_null_that_comes_is_a_difference() -> None:
    before = with_heir("integer", of_parent="integer")

    (difference,) = compare(before, with_heir("integer; not null", of_parent="integer")).differences

    assert difference.name == "column public.draft.id"


class TestASetOfFormatVersionOne:
    """It has digests of PostgreSQL's words, and nothing of what it did not know."""

    def facts(self, definition: str) -> DatabaseFacts:
        item = SchemaItem(kind="constraint", name="public.t c", definition=definition)
        return DatabaseFacts.model_validate(
            {
                **FACTS.model_dump(exclude={"properties", "schema_items"}),
                "format_version": 1,
                "schema_items": [item.model_dump()],
            }
        )

    def test_passes_with_the_same_words(self) -> None:
        comparison = compare(self.facts("a" * 64), self.facts("a" * 64))

        assert (comparison.differences, comparison.undecided) == ((), ())

    def test_could_not_be_verified_with_others(self) -> None:
        comparison = compare(self.facts("a" * 64), self.facts("b" * 64))

        assert comparison.differences == ()
        assert [(each.name, each.weighs) for each in comparison.undecided] == [
            ("constraint public.t c", True)
        ]

    def test_fails_if_something_is_missing(self) -> None:
        found = self.facts("a" * 64).model_copy(update={"schema_items": ()})

        (difference,) = compare(self.facts("a" * 64), found).differences

        assert difference.name == "constraint public.t c"


def test_an_index_whose_owner_may_not_call_its_function_is_no_damage() -> None:
    denied = "btree index:\n    ERROR:  permission denied for function norm\n"

    assert reports_of_damage(denied) == []
    assert reports_of_damage(f"{denied}heap table:\n    xmin is too old\n") == [
        "heap table:\n    xmin is too old"
    ]
