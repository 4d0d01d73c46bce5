"""What an asset without a value of its own gives Dagster, as a type that checkers understand."""

from typing import TYPE_CHECKING, TypeAlias

import dagster as dg

if TYPE_CHECKING:
    Materialized: TypeAlias = dg.MaterializeResult[None]
else:  # Dagster takes the class only, without its parameter
    Materialized = dg.MaterializeResult

__all__ = ["Materialized"]
