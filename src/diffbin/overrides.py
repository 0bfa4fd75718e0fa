"""Settings as texts of the form `optim.lr=3e-3`: what `--set` takes and `diffbin info` prints."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from diffbin.errors import ConfigError
from diffbin.plain import from_dict, known, to_dict

T = TypeVar("T")


def override(config: T, assignments: Sequence[str]) -> T:
    """Applies `key=value` texts, as of `--set optim.lr=3e-3` or `--set data.train.0.images=photos`, type-checked."""
    values: Any = to_dict(config)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment} is not of the form key=value.")
        _assign(values, path.strip().split("."), text.strip(), path.strip())
    return from_dict(type(config), values)


def to_assignments(config: Any) -> list[str]:
    """Every setting as `key=value`, the form that `override` takes."""
    return list(_assignments(to_dict(config), ""))


def _assignments(values: Any, prefix: str) -> Iterator[str]:
    if isinstance(values, list) and values and isinstance(values[0], dict):
        values = {str(i): item for i, item in enumerate(values)}
    if isinstance(values, dict):
        for key, value in values.items():
            yield from _assignments(value, f"{prefix}.{key}" if prefix else key)
    else:
        yield f"{prefix}={','.join(map(str, values)) if isinstance(values, list) else values}"


def _assign(values: Any, keys: list[str], text: str, path: str) -> None:
    *parents, last = keys
    for i, key in enumerate(parents):
        values = _child(values, key, ".".join(keys[: i + 1]))
    old = _child(values, last, path)
    values[int(last) if isinstance(values, list) else last] = _parse(old, text, path)


def _child(values: Any, key: str, path: str) -> Any:
    if isinstance(values, dict):
        known(key, list(values), path.removesuffix(key))
        return values[key]
    if isinstance(values, list) and key.isdecimal() and int(key) < len(values):
        return values[int(key)]
    raise ConfigError(f"There is no setting {path}.")


def _parse(old: Any, text: str, path: str) -> Any:
    """`text` as the type that the setting has now."""
    if isinstance(old, list) and not text:
        return []  # as data.validation= for a run without
    if isinstance(old, dict) or (isinstance(old, list) and old and isinstance(old[0], dict)):
        raise ConfigError(f"{path} is a group of settings; set one of its members, as in {path}.NAME=VALUE.")
    try:
        if isinstance(old, list):
            kind = type(old[0]) if old else str
            return [kind(part) for part in text.split(",") if part]
        if isinstance(old, bool):
            return {"true": True, "false": False}[text.lower()]
        return type(old)(text)
    except (ValueError, KeyError):
        raise ConfigError(f"{path} is {text!r}; it must be of type {type(old).__name__}, as {old!r} is.") from None
