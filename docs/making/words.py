"""Text of generated pages: headings as names in addresses, docstrings as cells of a table."""

from __future__ import annotations

import re


def anchor(heading: str) -> str:
    """What a heading is called in an address, as the site and most forges make it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def one_line(text: str | None) -> str:
    """Markdown prose on one line, also within a table."""
    return " ".join((text or "").split()).replace("|", "\\|")
