"""Where settings come from, beside the environment that pydantic reads itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic_settings import PydanticBaseSettingsSource

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings.part import variable


class FileVariants(PydanticBaseSettingsSource):
    """Reads ONYX_X from the file named by ONYX_X_FILE, without its last line break."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  (others need it)
        path = os.environ.get(f"{variable(field_name)}_FILE")
        # `private_key_file` is a setting itself: ONYX_PRIVATE_KEY_FILE names the key's own file.
        if not path or field_name.endswith("_file"):
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{variable(field_name)}_FILE names {path}, which cannot be read"
                f" ({type(error).__name__}).",
                remedy="Create the file, readable for this user, or unset the variable.",
            ) from None

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values
