"""Where settings come from: the environment, over files that it names, over one configuration file.

What cannot be read becomes a `Problem` in the value's place: all that is wrong is said at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    YamlConfigSettingsSource,
)
from pydantic_settings.sources import DEFAULT_PATH, ConfigFileSourceType

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings.part import PREFIX, is_secret, variable

if TYPE_CHECKING:
    import yaml

CONFIG_VARIABLE: Final = f"{PREFIX}CONFIG"
STACK_VARIABLE: Final = f"{PREFIX}STACK"
_OTHERS_READ: Final = 0o077
_OTHERS_WRITE: Final = 0o022


@dataclass(frozen=True)
class Problem:
    """Why there is no value. No field takes it, and the error quotes it."""

    text: str


def named_file(name: str) -> str | None:
    """`NAME_FILE` or `name_file` of a setting that may lie in a file of its own."""
    # `private_key_file` is a setting itself: ONYX_PRIVATE_KEY_FILE names the key's own file.
    return None if name.endswith("_file") else f"{name}_file"


class FileVariants(PydanticBaseSettingsSource):
    """Reads ONYX_X from the file named by ONYX_X_FILE, without its last line break."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  (others need it)
        key = named_file(field_name)
        path = os.environ.get(variable(key)) if key else None
        if not key or not path:
            return None, field_name, False
        return _text_in(path, variable(key)), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}


class ConfigFile(YamlConfigSettingsSource):
    """The file that ONYX_CONFIG names: keys are the variables' names without ONYX_, in lower case.
    A key without a value is as good as none."""

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        yaml_file: ConfigFileSourceType | None = DEFAULT_PATH,
        *,
        stack: str = "",
    ) -> None:
        self._fields = settings_cls.model_fields
        path = config_path(stack) if yaml_file == DEFAULT_PATH else yaml_file
        super().__init__(settings_cls, path)

    def _read_files(
        self,
        files: ConfigFileSourceType | None,
        deep_merge: bool = False,  # noqa: ARG002  (there is one file)
    ) -> dict[str, Any]:
        return self._read_file(files) if isinstance(files, Path) else {}

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        values, mode = _yaml_of(file_path)
        values = {str(key): value for key, value in values.items() if value is not None}
        for name, field in self._fields.items():
            if is_secret(field) and values.get(name) and mode & _OTHERS_READ:
                values[name] = Problem(
                    f"is a secret, and group or others can read {file_path}: chmod 600 it, or give"
                    f" {name}_file, the path of a file that holds it"
                )
            key = named_file(name)
            if key and key in values:
                path = values.pop(key)
                if name in values:
                    values[name] = Problem(f"is given twice, as {key} too")
                elif path:
                    values[name] = _text_in(path, key)
        if values.get("hooks") and mode & _OTHERS_WRITE:
            values["hooks"] = Problem(
                f"whoever can write {file_path} would run commands as this user, and group or"
                " others can: chmod go-w it"
            )
        return values


def config_path(stack: str = "") -> Path | None:
    """Of the configuration file; None: there is none. Of several, one for each stack, the one of
    `stack`, or of the stack that ONYX_STACK names. What is wrong with another one does not matter.

    Raises:
        SettingsError: there are several, and it is not said which, or not clear.
    """
    paths = config_paths()
    if len(paths) < 2:
        return paths[0] if paths else None
    wanted = stack or os.environ.get(STACK_VARIABLE, "")
    found = []
    for path in paths:
        with suppress(SettingsError):  # of another stack, whose commands say so
            if wanted and wanted == _stack_in(path):
                found.append(path)
    if len(found) == 1:
        return found[0]
    how = "asked for" if stack else f"given by {STACK_VARIABLE}"
    raise _not_clear(paths, f"{wanted or 'none of them'} is {how}")


def stack_names() -> tuple[str, ...]:
    """Of the stacks that this process looks after, in order, where ONYX_CONFIG names the files of
    several and ONYX_STACK none of them. (): it looks after one, which may have a name or none.

    A file that cannot be read is the stack that it is called after, so that what is done for that
    one fails, and what is done for the others does not.

    Raises:
        SettingsError: not each has a name of its own.
    """
    paths = config_paths()
    if len(paths) < 2 or os.environ.get(STACK_VARIABLE):
        return ()
    names = set()
    for path in paths:
        try:
            names.add(_stack_in(path))
        except SettingsError:
            names.add(path.stem)
    if "" in names or len(names) < len(paths):
        raise _not_clear(paths, "not each has a name of its own")
    return tuple(sorted(names))


def _stack_in(path: Path) -> str:
    return str(_yaml_of(path)[0].get("stack") or "")


def _not_clear(paths: Sequence[Path], what: str) -> SettingsError:
    listed = ", ".join(f"{_stack_in(path) or 'one without a name'} ({path})" for path in paths)
    return SettingsError(
        f"{CONFIG_VARIABLE} names the files of several stacks, {listed}, and {what}.",
        remedy=f"Say which with `onyx --stack NAME` or {STACK_VARIABLE}; each file has a `stack` of"
        " its own.",
    )


def config_paths() -> tuple[Path, ...]:
    """Of the configuration files: one, some between colons, or the `*.yaml` of a directory."""
    named = os.environ.get(CONFIG_VARIABLE)
    if not named:
        return ()
    whole = Path(named).expanduser()
    if whole.is_dir():
        return tuple(sorted(whole.glob("*.yaml"))) or (whole,)
    if whole.exists():
        return (whole,)
    return tuple(Path(each).expanduser() for each in named.split(os.pathsep) if each)


def files_with_secrets(settings_cls: type[BaseSettings], stack: str = "") -> Iterator[Path]:
    """That the configuration file names as holding one."""
    path = config_path(stack)
    in_file: Mapping[str, Any] = {}
    with suppress(SettingsError):  # whoever loads it says so
        in_file = _yaml_of(path)[0] if path else {}
    for name, field in settings_cls.model_fields.items():
        key = named_file(name)
        named = key and in_file.get(key)
        if is_secret(field) and named:
            yield Path(named)


def origins(settings_cls: type[BaseSettings], stack: str = "") -> dict[str, str]:
    """Where the value of each setting comes from that is not its default."""
    path = config_path(stack)
    in_file = ConfigFile(settings_cls, stack=stack).yaml_data
    return {
        **{name: f"{name} in {path}" for name in in_file},
        **{name: f"{variable(name)}_FILE" for name in FileVariants(settings_cls)()},
        **{name: variable(name) for name in EnvSettingsSource(settings_cls)()},
    }


def _text_in(path: object, key: str) -> str | Problem:
    try:
        return Path(str(path)).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        return Problem(f"{key} names {path}, which cannot be read ({type(error).__name__})")


def _strict_loader() -> type[yaml.SafeLoader]:
    """YAML's own lets the second of two equal keys win, and says nothing."""
    import yaml

    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key, _ in node.value:
                name = getattr(key, "value", None)
                if isinstance(name, str) and name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, "one key stands twice in a mapping", key.start_mark
                    )
                seen.add(name if isinstance(name, str) else id(key))
            return super().construct_mapping(node, deep)

    return Strict


def _yaml_of(path: Path) -> tuple[Mapping[Any, Any], int]:
    """What is written in it, and its mode bits."""
    # Who has no such file need not wait for it.
    import yaml

    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            found = yaml.load(file, _strict_loader())  # noqa: S506  (it is a SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{CONFIG_VARIABLE} names {path}, which cannot be read ({type(error).__name__}).",
            remedy="Create it (`onyx config init`), readable for this user, or unset the variable.",
        ) from None
    except yaml.YAMLError as error:
        # Its own text quotes the line, which may hold a secret.
        mark = getattr(error, "problem_mark", None)
        raise SettingsError(
            f"{path} is not YAML: {getattr(error, 'problem', None) or 'it cannot be parsed'}"
            + (f" (line {mark.line + 1}, column {mark.column + 1})." if mark else "."),
            remedy="Correct it; `onyx config init` writes a sample.",
        ) from None
    if found is None:
        return {}, mode
    if not isinstance(found, dict):
        raise SettingsError(
            f"{path} holds no settings: `name: value` on each line.",
            remedy="`onyx config init` writes a sample.",
        )
    return found, mode
