"""Curves as SVG, to stand in a page whose style sheet colours the classes `axis`, `curve0`, `curve1`, ..."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]  # (x, y), x rising

WIDTH, HEIGHT = 460, 230
LEFT, RIGHT, TOP, BOTTOM = 50, 16, 10, 26  # margins
MOST = 300  # points of a curve; longer ones are thinned out, to means
FEW = 40  # points, of which each is marked


def chart(title: str, curves: Mapping[str, Points], *, log: bool = False) -> str:
    """An `<svg>` of curves by name. The axes begin at 0 or below; with `log` that of y has powers of ten.

    What is not finite is left out, with `log` what is not positive, too. "" where no point is left.
    """
    kept = {
        name: _thin([(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log)])
        for name, points in curves.items()
    }
    points = [point for curve in kept.values() for point in curve]
    if not points:
        return ""
    low, high = min(y for _, y in points), max(y for _, y in points)
    y_ticks = _log_ticks(low, high) if log else _ticks(min(low, 0.0), high)
    x_ticks = _ticks(min(0, *(x for x, _ in points)), max(x for x, _ in points))
    x_of = _scale(x_ticks[0], max(x for x, _ in points), LEFT, WIDTH - RIGHT)
    y_of = _scale(min(low, y_ticks[0]), max(high, y_ticks[-1]), HEIGHT - BOTTOM, TOP, log=log)
    told = "; ".join(f"{name} from {curve[0][1]:.3g} to {curve[-1][1]:.3g}" for name, curve in kept.items() if curve)
    parts = [
        *(_rule(y_of(y), _short(y)) for y in y_ticks),
        *(_foot(x_of(x), _short(x)) for x in x_ticks if x_of(x) <= WIDTH - RIGHT),
        *(_curve(i, [(x_of(x), y_of(y)) for x, y in curve]) for i, curve in enumerate(kept.values()) if curve),
    ]
    label = escape(f"{title}, {told}")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _rule(y: float, text: str) -> str:
    line = f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'


def _foot(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{text}</text>'


def _curve(number: int, points: Points) -> str:
    line = f'<polyline class="curve{number}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    marks = points if len(points) <= FEW else []
    return line + "".join(f'<circle class="curve{number}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in marks)


def _scale(low: float, high: float, start: float, end: float, *, log: bool = False) -> Callable[[float], float]:
    """From values to pixels; a range of one value is made wider."""

    def place(value: float) -> float:
        return math.log10(value) if log else value

    width = place(high) - place(low) or 1.0
    return lambda value: start + (end - start) * (place(value) - place(low)) / width


def _ticks(low: float, high: float) -> list[float]:
    """Some five round numbers, from `low` or below to `high` or above."""
    rough = max((high - low) / 4, abs(high) * 1e-6, 1e-12)
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [i * width for i in range(math.floor(low / width), math.ceil(high / width) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, or these alone where that were many, around `low` to `high`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [tick for tick in fine if low * 0.5 <= tick <= high * 2]
    return inside if 2 <= len(inside) <= 7 else [10.0**power for power in powers]


def _short(value: float) -> str:
    """At most some five letters: 0.25, 12k, 1e-05."""
    if value >= 10000:
        return f"{value / 1000:g}k"
    return f"{value:.3g}"


def _thin(points: Points) -> Points:
    width = math.ceil(len(points) / MOST) or 1
    groups = [points[i : i + width] for i in range(0, len(points), width)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]
