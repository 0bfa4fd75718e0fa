"""Dataclasses of settings to plain dictionaries, ready for JSON, and strictly back."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, TypeVar

from diffbin.errors import ConfigError

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as nested dictionaries and lists, ready for JSON."""
    return dict(_plain(config))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def from_dict(cls: type[T], values: Mapping[str, Any], *, where: str = "") -> T:
    """The inverse of `to_dict`. Keys left out take their default; an unknown key or a wrong type is a `ConfigError`."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where or cls.__name__} must be a mapping, not {values!r}.")
    hints = typing.get_type_hints(cls)
    for key in values:
        known(key, list(hints), where)
    converted = {key: _convert(hints[key], value, f"{where}{key}") for key, value in values.items()}
    try:
        return cls(**converted)
    except TypeError as error:
        raise ConfigError(f"{where or cls.__name__} is incomplete: {error}.") from None


def known(key: str, names: Sequence[str], where: str) -> None:
    """Raises `ConfigError`, with the nearest name, unless `key` is one of `names`; `where` is the path before it."""
    if key not in names:
        near = difflib.get_close_matches(key, names, n=1)
        hint = f"did you mean {where}{near[0]}?" if near else f"known are: {', '.join(names)}."
        raise ConfigError(f"There is no setting {where}{key}; {hint}")


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_dict(hint, value, where=f"{where}.")
    if origin is Literal:
        if any(value == allowed and type(value) is type(allowed) for allowed in args):
            return value
        raise ConfigError(f"{where} is {value!r}; it must be one of {', '.join(map(repr, args))}.")
    if origin is tuple and isinstance(value, list | tuple):
        return _convert_tuple(args, value, where)
    if hint is float and isinstance(value, Real) and not isinstance(value, bool):  # those of NumPy, too
        return float(value)
    if hint is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    wanted = hint.__name__ if isinstance(hint, type) and not isinstance(hint, types.GenericAlias) else str(hint)
    raise ConfigError(f"{where} is {value!r}; it must be of type {wanted}.")


def _convert_tuple(args: tuple[Any, ...], value: Sequence[Any], where: str) -> tuple[Any, ...]:
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_convert(args[0], item, f"{where}.{i}") for i, item in enumerate(value))
    if len(value) != len(args):
        raise ConfigError(f"{where} has {len(value)} values; it must have {len(args)}.")
    return tuple(_convert(hint, item, f"{where}.{i}") for i, (hint, item) in enumerate(zip(args, value, strict=True)))
