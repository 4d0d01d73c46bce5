"""How the stand-in says no."""

from __future__ import annotations


class ApiError(Exception):
    """An answer with an error status; `message` is what stands in `status.error`.

    `is_text`: the server answers this one as plain text. `retry_after_s`: a header.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        is_text: bool = False,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.is_text = is_text
        self.retry_after_s = retry_after_s


def unsupported(what: str) -> ApiError:
    """Refuse loudly rather than guess."""
    return ApiError(501, f"The Edge-backed stand-in does not support {what}.")
