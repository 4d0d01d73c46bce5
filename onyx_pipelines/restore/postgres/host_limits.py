"""What a server cannot have of a database, so that it is no loss of the backup. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onyx_pipelines.restore.postgres.differences import Aspect, Difference


@dataclass(frozen=True)
class HostLimits:
    """Of one server and one database.

    Args:
        tablespaces: those that it lacks; nothing is put into any then.
        settings: names as differences have them, and what the server said of each.
        locale: why the database has another one.
        notes: what else a person should know, whatever is found.
    """

    tablespaces: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    locale: str = ""
    notes: tuple[str, ...] = ()

    def reason(self, difference: Difference) -> str:
        """Why it is as it is; empty if nothing excuses it."""
        match difference.aspect:
            case Aspect.TABLESPACE if self.tablespaces:
                return (
                    f"the server has no tablespace {', '.join(self.tablespaces)}, so everything is"
                    " in its default one"
                )
            case Aspect.SETTING:
                return self.settings.get(difference.name, "")
            case Aspect.ENCODING:
                return self.locale
            case _:
                return ""
