"""How a request wants its answer."""

from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import Request

from diffbin.errors import ConfigError
from diffbin.formats import FORMATS, Format

OPTIONS = ("format", "score", "shape", "reading", "name")


@dataclass(frozen=True)
class Asked:
    """The options of a request."""

    way: Format
    changes: dict[str, object]  # of `Decode`

    @classmethod
    def of(cls, request: Request) -> "Asked":
        """From `?format=icdar&score=0.7&shape=polygon`. Raises `ConfigError`."""
        given = dict(request.query_params)
        if len(given) < len(request.query_params.multi_items()):
            raise ConfigError("An option is given twice.")
        if unknown := sorted(set(given) - set(OPTIONS)):
            raise ConfigError(f"There is no option {unknown[0]}; there are {', '.join(OPTIONS)}.")
        format_ = given.get("format", "json")
        if format_ not in FORMATS:
            raise ConfigError(f"format is {format_}; it must be one of {', '.join(FORMATS)}.")
        changes: dict[str, object] = {name: given[name] for name in ("shape", "reading") if name in given}
        if "score" in given:
            changes["score_threshold"] = _score(given["score"])
        return cls(FORMATS[format_], changes)


def _score(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (score := float(text)) <= 1:
            return score
    raise ConfigError(f"score is {text}; it must be a number from 0 to 1.")
