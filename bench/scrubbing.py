"""How much of the scrubber its tests hold: its code and its rules are changed, one thing at a time,
and the tests run against each; and what of 500 secrets in every place of an event leaves."""

from __future__ import annotations

import ast
import copy
import itertools
import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.table import Line, say
from onyx_pipelines.errors import rules, scrubbing
from onyx_pipelines_tests.errors import (
    corpus,
    test_scrubbing_events,
    test_scrubbing_failing,
    test_scrubbing_texts,
)

_LONGEST_S: Final = 20
_COMPARED: Final = {
    ast.Lt: ast.GtE,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_TESTS: Final = (test_scrubbing_texts, test_scrubbing_events, test_scrubbing_failing)
Found = dict[str, Any]


def run(directory: Path) -> list[Line]:  # noqa: ARG001  (nothing is written)
    """The score, and the leaks."""
    tried, survived = 0, []
    for what, change in itertools.chain(_of_code(), _of_rules()):
        tried += 1
        if _survives(change):
            survived.append(what)
            say(f"  survived: {what}")
    killed = tried - len(survived)
    return [
        Line(
            "mutants of the scrubber and its rules that its tests notice",
            100 * killed / tried,
            95,
            "%",
            f"{killed} of {tried}",
            at_least=True,
        ),
        Line(
            "secrets that leave",
            _leaks(),
            0,
            "",
            f"{corpus.SECRETS} secrets in {len(corpus.SLOTS)} places of an event",
        ),
    ]


def _survives(change: Callable[[], Any]) -> bool:
    try:
        with change():
            return _passes()
    except Exception:  # noqa: BLE001  (it cannot even be loaded: that is noticed)
        return False


def _leaks() -> int:
    clean = scrubbing.Scrubber(pseudonym_key="key")
    return sum(
        secret.is_in(json.dumps(clean(corpus.planted(slot, secret)), ensure_ascii=False))
        for secret in corpus.secrets(16)
        for slot in corpus.SLOTS
    )


# --- the tests, without pytest -------------------------------------------------------------------


def _passes() -> bool:
    """Whether every test of the scrubber passes. One that does not end has noticed."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(_LONGEST_S)
    try:
        for test, given in _CASES:
            test(**given)
    except (Exception, AssertionError):  # noqa: BLE001  (however it noticed)
        return False
    finally:
        signal.alarm(0)
    return True


def _too_long(*_: object) -> None:
    raise TimeoutError


def _cases() -> list[tuple[Callable[..., None], Found]]:
    """Every test with each of its parameters."""
    found = []
    for name, test in itertools.chain(*(vars(each).items() for each in _TESTS)):
        if name.startswith("test_"):
            marks = [each.args for each in getattr(test, "pytestmark", [])]
            tables = [
                [
                    dict(zip(names if isinstance(names, tuple) else (names,), values, strict=True))
                    for values in (rows if isinstance(names, tuple) else ([row] for row in rows))
                ]
                for names, rows in marks
            ]
            found += [
                (test, {name: value for each in given for name, value in each.items()})
                for given in itertools.product(*tables)
            ]
    return found


_CASES: Final = _cases()
Change = tuple[str, Callable[[], Any]]


# --- changes of the code -------------------------------------------------------------------------


def _of_code() -> Iterator[Change]:
    for module in (scrubbing, rules):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        for number in range(len(list(ast.walk(ast.parse(source))))):
            for way in range(4):
                tree = ast.parse(source)
                node = list(ast.walk(tree))[number]
                what = _changed(node, way)
                if what:
                    where = f"{module.__name__}:{getattr(node, 'lineno', 0)}"
                    code = compile(ast.fix_missing_locations(tree), str(module.__file__), "exec")
                    yield f"{where} {what}", partial(_executed, module, code)


def _changed(node: ast.AST, way: int) -> str:
    """Change it in place; "": there is no such way."""
    match node:
        case ast.Compare(ops=[op]) if way == 0 and type(op) in _COMPARED:
            node.ops = [_COMPARED[type(op)]()]
            return f"{type(op).__name__} turned"
        case ast.Compare(ops=[ast.Lt() | ast.Gt() as op]) if way == 1:
            node.ops = [{ast.Lt: ast.LtE, ast.Gt: ast.GtE}[type(op)]()]
            return "boundary"
        case ast.BoolOp() if way == 0:
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            return "and, or"
        case ast.UnaryOp(op=ast.Not()) if way == 0:
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
            return "not"
        case ast.Constant(value=bool()):
            return ""
        case ast.Constant(value=int() | float() as value) if way < 2:
            node.value = value + (1 if way else -1)
            return f"{value} to {node.value}"
        case ast.IfExp() | ast.If() if way < 2:
            node.test = ast.Constant(bool(way))
            return f"condition {bool(way)}"
        case ast.comprehension(ifs=[test, *_]) if way == 0:
            node.ifs = []
            return f"no condition {ast.unparse(test)}"
        case ast.Return(value=ast.expr() as value) if way == 0 and not _is_none(value):
            node.value = ast.Constant(None)
            return f"no {ast.unparse(value)}"
        case ast.BinOp(op=ast.Add() | ast.Sub()) if way == 0:
            node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            return "plus, minus"
        case ast.UnaryOp(op=ast.USub()) if way == 0:
            node.op = ast.UAdd()
            return "sign"
        case ast.Call(func=ast.Attribute(attr="lower" | "sub" | "clean")) if way == 0:
            node.func = ast.Name("str", ast.Load())
            node.args = [ast.Constant("")]
            return "a call"
    return ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


@contextmanager
def _executed(module: Any, code: Any) -> Iterator[None]:
    before = dict(vars(module))
    try:
        exec(code, vars(module))
        if module is rules:
            _load_by(rules.load_rules)
        yield
    finally:
        vars(module).update(before)
        _load_by(rules.load_rules)


# --- changes of the rules ------------------------------------------------------------------------


def _of_rules() -> Iterator[Change]:
    found = json.loads(rules.RULES_FILE.read_text(encoding="utf-8"))
    for what, changed in _changed_rules(found):
        try:
            made = rules.rules_of(changed)
        except re.error:
            continue
        yield what, partial(_ruled, made)


@contextmanager
def _ruled(made: rules.Rules) -> Iterator[None]:
    before = rules.load_rules
    _load_by(lambda: made)
    try:
        yield
    finally:
        _load_by(before)


def _load_by(load: Callable[[], rules.Rules]) -> None:
    """In both modules that know it by its name."""
    for module in (rules, scrubbing):
        vars(module).update(load_rules=load)


def _changed_rules(found: Found) -> Iterator[tuple[str, Found]]:
    for number, each in enumerate(found["patterns"]):
        what = f"pattern {number} ({each['name']})"
        yield f"{what} is gone", _without(found, "patterns", number)
        if "flags" in each:
            yield f"{what} of one case", _without(found, "patterns", number, "flags")
        for change, pattern in _changed_patterns(each["pattern"]):
            yield f"{what}: {change}", _with(found, pattern, "patterns", number, "pattern")
        for of in ("words", "shapes"):
            for place, needed in enumerate(each.get(of, ())):
                where = ("patterns", number, of, place)
                yield f"{what} not for {needed}", _with(found, f"{needed}{needed}", *where)
    for name, pattern in found["formats"].items():
        yield f"format {name} is gone", _without(found, "formats", name)
        yield f"format {name} takes all", _with(found, "^[\\s\\S]*$", "formats", name)
        for change, changed in _changed_patterns(pattern):
            yield f"format {name}: {change}", _with(found, changed, "formats", name)
    for name, value in found["limits"].items():
        for by in (-1, 1):
            yield f"limit {name} {by:+}", _with(found, value + by, "limits", name)
    for path in test_scrubbing_events.leaves_of(found["event"]):
        if isinstance(path[-1], str):
            yield f"field {path} is gone", _without(found, "event", *path)
        kind = found["event"]
        for name in path:
            kind = kind[name]
        if kind != "text":
            yield f"field {path} is a text", _with(found, "text", "event", *path)


def _changed_patterns(pattern: str) -> Iterator[tuple[str, str]]:
    """Without one alternative, one lookahead or one repetition; with another lower bound."""
    for group in re.finditer(r"\(\?:((?:[^()|\\]|\\.)+(?:\|(?:[^()|\\]|\\.)*)+)\)", pattern):
        parts = group.group(1).split("|")
        for each in range(len(parts)):
            left = "|".join(parts[:each] + parts[each + 1 :])
            yield f"without {parts[each]}", _spliced(pattern, group.span(1), left)
    for look in re.finditer(r"\(\?[=!](?:[^()\\]|\\.)*\)", pattern):
        yield f"without {look.group()}", _spliced(pattern, look.span(), "")
    for bound in re.finditer(r"\{([0-9]+)(?=[,}])", pattern):
        for by in (-1, 1):
            value = int(bound.group(1)) + by
            if value >= 0:
                yield f"{bound.group()} {by:+}", _spliced(pattern, bound.span(1), str(value))


def _spliced(text: str, span: tuple[int, int], new: str) -> str:
    return text[: span[0]] + new + text[span[1] :]


def _with(found: Found, value: object, *path: Any) -> Found:
    changed = copy.deepcopy(found)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return changed


def _without(found: Found, *path: Any) -> Found:
    changed = copy.deepcopy(found)
    place: Any = changed
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return changed
