"""Sizes, durations, moments, counts and foreign names as text for people. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

# One meaning everywhere: a GB has 10^9 bytes, as disks are sold. 2^30 are a GiB.
BYTES_PER_GB: Final = 10**9
NOTHING: Final = "\N{EN DASH}"  # in a cell that has no value
NOT_KNOWN: Final = "not known"


def printable(text: str) -> str:
    """`text` on one line, where whatever does not print stands as its escape.

    So a line break, a terminal sequence or a mark that reverses the writing direction in a file's
    name is seen as what it is, and changes nothing around it.
    """
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters; the middle goes, as names differ at both ends."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def number_text(number: int) -> str:
    """2000 -> "2,000"."""
    return f"{number:,}"


def count_text(count: int, singular: str, plural: str = "") -> str:
    """ "1 set", "2,000 sets"; `plural` where an s is not enough."""
    return f"{number_text(count)} {singular if count == 1 else plural or f'{singular}s'}"


def words(meaning: str) -> str:
    """A name of code as people read it: "could_not_verify" -> "could not verify"."""
    return meaning.replace("_", " ")


def list_text(parts: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def size_text(size_bytes: float) -> str:
    """Decimal units, three digits: 1240000000 -> "1.24 GB"."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.4g} TB"


def gigabytes_text(size_bytes: float) -> str:
    """Two decimals always, for what stands beside its limit."""
    return f"{size_bytes / BYTES_PER_GB:.2f} GB"


def rate_text(size_bytes: float, duration_s: float) -> str:
    """Megabytes (10^6) a second; NOTHING where nothing was measured."""
    if duration_s <= 0 or size_bytes <= 0:
        return NOTHING
    rate = size_bytes / 1e6 / duration_s
    return f"{rate:,.0f} MB/s" if rate >= 10 else f"{rate:.1f} MB/s"


def per_second_text(rate: float | None) -> str:
    """Requests: "12.3/s"."""
    return NOT_KNOWN if rate is None else f"{rate:,.1f}/s"


def duration_text(duration_s: float) -> str:
    """0.042 -> "0.04 s", 4.25 -> "4.2 s", 252 -> "4 min 12 s", 3840 -> "1 h 04 min"."""
    if duration_s == 0:
        return "0 s"
    if 0 < duration_s < 0.005:
        return "under 0.01 s"
    if duration_s < 0.995:
        return f"{duration_s:.2f} s"
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    if round(duration_s) < 3600:
        minutes, seconds = divmod(round(duration_s), 60)
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(round(duration_s / 60), 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(round(duration_s / 3600), 24)
    return f"{days} days {hours} h"


def limit_text(limit_s: float) -> str:
    """A round time as people say it: 90 -> "90 s", 3600 -> "60 min", 21600 -> "6 h"."""
    if limit_s >= 48 * 3600:
        return f"{limit_s / 86400:g} days"
    if limit_s >= 2 * 3600:
        return f"{limit_s / 3600:g} h"
    return f"{limit_s / 60:g} min" if limit_s >= 120 else f"{limit_s:g} s"


def latency_text(latency_ms: float | None) -> str:
    """Three figures at most: "87 ms", "1.53 s"."""
    if latency_ms is None or not math.isfinite(latency_ms):
        return NOT_KNOWN
    if latency_ms < 10:
        return f"{latency_ms:.1f} ms"
    return f"{latency_ms:.0f} ms" if latency_ms < 1000 else f"{latency_ms / 1000:.2f} s"


def percent_text(share: float | None, decimals: int = 0) -> str:
    """Without decimals it never rounds to 0 or 100 % what is neither."""
    if share is None or not math.isfinite(share):
        return NOT_KNOWN
    percent = 100 * share
    if decimals == 0 and 0 < percent < 1:
        return "under 1 %"
    is_nearly_all = decimals == 0 and 99 < percent < 100
    return "over 99 %" if is_nearly_all else f"{percent:.{decimals}f} %"


def moment_text(moment: datetime) -> str:
    """In UTC, to the minute."""
    return f"{utc_minute(moment)} UTC"


def second_text(moment: datetime) -> str:
    """In UTC, to the second."""
    return f"{utc_second(moment)} UTC"


def utc_minute(moment: datetime) -> str:
    """For a column whose head says UTC."""
    return utc_second(moment)[:-3]


def utc_second(moment: datetime) -> str:
    """For a column whose head says UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def day_text(moment: datetime) -> str:
    """In UTC."""
    return utc_second(moment)[:10]


def stamp_text(moment: datetime) -> str:
    """In UTC, for names: 20261127T071500Z. Sorts by time."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
