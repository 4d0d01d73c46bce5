"""How the stand-in says no."""

from __future__ import annotations


class ApiError(Exception):
    """An answer with an error status; `message` is what stands in `status.error`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def unsupported(what: str) -> ApiError:
    """Refuse loudly rather than guess."""
    return ApiError(501, f"The Edge-backed stand-in does not support {what}.")
