"""How a command ends: what a person and a program read of an error, and which exit code it is.

Whoever stops reading (`| head`) changes nothing: the work goes on to its end, in silence.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import ClassVar, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.lost_interrupts import heard_interrupts, interrupt_behind
from onyx_pipelines.terminal.output import EXIT_FINE, err, print_json, red

_UNWINDING = (signal.SIGTERM, signal.SIGHUP)
_STOPPED = {128 + number: number.name for number in (*_UNWINDING, signal.SIGINT)}
_INTERRUPTED = 128 + signal.SIGINT


class UsageError(OnyxError):
    """The command was called wrongly.

    Cause: an unknown command or option, a missing argument, a value that is not possible.
    Remedy: `onyx COMMAND --help` says how it is called.
    """

    code = "usage"


class StoppedError(OnyxError):
    """A signal ended the command (SIGTERM: exit code 143, SIGHUP: 129).

    Cause: Ctrl-C, SIGTERM, a closed terminal.
    Remedy: run it again: what was begun has been undone, and nothing half-written is listed.
    """

    code = "interrupted"
    exit_code: ClassVar[int] = _INTERRUPTED


class UnexpectedError(OnyxError):
    """A fault of this program, or the machine refused: a full disk, a missing right.

    Cause: the log says where; the text of a fault is not quoted, as it may hold a secret.
    Remedy: mend what the machine refused; a fault of the program is worth a report with its
        log.
    """

    code = "unexpected"


def as_process(command: Callable[[], object]) -> NoReturn:
    """Run `command` as all that this process does. A call that hangs in a thread ends with it, and
    nothing is tidied up that the system takes back anyway (a tenth of a second of CPU)."""
    _outlive_readers()
    with unwinding_signals():
        code = ended(command, sys.argv[1:])
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def ended(command: Callable[[], object], arguments: Sequence[str]) -> int:
    """Run `command` and give its exit code; every way in which it can end is told in few lines.

    Args:
        arguments: the words of the command line, of which only `--json` matters here.
    """
    as_json = "--json" in arguments
    try:
        code = _exit_code(command)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except OnyxError as error:
        return _tell(error, as_json=as_json)
    except typer.TyperException as error:
        return _tell(_wrong_usage(error), as_json=as_json)
    except Exception as error:  # noqa: BLE001  (a person gets a sentence, the log the rest)
        interrupt = interrupt_behind(error)
        if interrupt is None:
            return _tell(_unexpected(error), as_json=as_json)
        told = interrupt.code if isinstance(interrupt, SystemExit) else None
        code = told if isinstance(told, int) else _INTERRUPTED
    if code in _STOPPED:
        stopped = StoppedError(
            f"Interrupted by {_STOPPED[code]}.",
            remedy="Nothing half-written is listed; run it again.",
        )
        _tell_program(stopped, as_json=as_json)
        err.line(f"interrupted by {_STOPPED[code]}; nothing half-written is listed")
    return code


def _exit_code(command: Callable[[], object]) -> int:
    try:
        answer = command()
    except typer.Abort:
        return _INTERRUPTED
    except SystemExit as exit_:
        answer = exit_.code
    # While it can still be told that this fails.
    sys.stdout.flush()
    return answer if isinstance(answer, int) else EXIT_FINE


def _tell(error: OnyxError, *, as_json: bool) -> int:
    _tell_program(error, as_json=as_json)
    first, *rest = error.what.splitlines() or [""]
    err.line(red("error:"), " ", first)
    err.quote(rest)
    err.line("  ", error.remedy)
    return error.exit_code


def _tell_program(error: OnyxError, *, as_json: bool) -> None:
    if as_json:
        told = {"what": error.what, "remedy": error.remedy, "code": error.code}
        print_json({"error": told | {"page": f"docs/error_codes.md#{error.code}"}})


def _wrong_usage(error: typer.TyperException) -> UsageError:
    """In the words of typer, which says it over several lines."""
    what = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    if context is None:
        return UsageError(what, remedy="`onyx --help` shows how it is used.")
    if isinstance(context.command, TyperGroup):
        names = ", ".join(context.command.list_commands(context))
        return UsageError(f"{context.command_path}: {what}", remedy=f"There are: {names}.")
    return UsageError(what, remedy=f"`{context.command_path} --help` shows how it is used.")


def _unexpected(error: Exception) -> UnexpectedError:
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return UnexpectedError(
            f"The machine refused: {error.strerror}{place}.", remedy="Mend that, and run it again."
        )
    # Its text may hold whatever was being worked on.
    logger("cli").error("a command broke", exc_info=error)
    _report(error)
    return UnexpectedError(
        f"This program has a fault ({type(error).__name__}).",
        remedy="The log above says where; nothing half-written is listed.",
    )


def _report(error: Exception) -> None:
    """To the error tracker, whose SDK is only loaded now: most commands have nothing to report."""
    with suppress(Exception):  # a person is told in any case
        from onyx_pipelines.errors.tracking import report_own_error

        report_own_error(error, "onyx-cli")


@contextmanager
def unwinding_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the work as Ctrl-C does, so that whatever must be undone is."""
    numbers = [each for each in _UNWINDING if signal.getsignal(each) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _unwind)
    try:
        with heard_interrupts():
            yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _unwind(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _outlive_readers() -> None:
    """Let standard output and error go on into nothing once nobody reads them."""
    sys.stdout = _Stream.over(sys.stdout, 1)
    sys.stderr = _Stream.over(sys.stderr, 2)


class _Stream(io.TextIOWrapper):
    @classmethod
    def over(cls, stream: TextIO | None, descriptor: int) -> _Stream:
        """What cannot be encoded is escaped; a stream that was closed swallows everything."""
        if stream is None:
            return cls(Path(os.devnull).open("wb"), encoding="utf-8")
        return cls(
            os.fdopen(descriptor, "wb", closefd=False),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=descriptor == 2 or stream.isatty(),
        )

    def write(self, text: str, /) -> int:
        with self._into_nothing():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._into_nothing():
            super().flush()

    @contextmanager
    def _into_nothing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # What is buffered would fail again when the process ends.
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.fileno())
            os.close(nothing)
            if not isinstance(error, BrokenPipeError):
                raise
