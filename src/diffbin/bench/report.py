"""What was measured, as a table and as JSON."""

import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from diffbin.bench.measure import Absent, Row
from diffbin.bench.subjects import WAYS
from diffbin.cores import cores

STAGES = ("read", "prepare", "network", "decode", "total")  # told in milliseconds
RATES = ("network", *WAYS)  # told in pictures a second
TEXTS = ("model", "computed by", "input")  # columns; the others are numbers
PACKAGES = (
    "diffbin", "onnxruntime", "onnxruntime-gpu", "openvino", "torch", "numpy", "opencv-python-headless",
    "opencv-python", "rapidocr", "onnxtr",
)  # fmt: skip


def table(rows: Sequence[Row], absent: Sequence[Absent]) -> str:
    """Medians, `times` as long as the first row's, and below it what was not measured and why."""
    cells = [_cells(row, ratio) for row, ratio in zip(rows, ratios(rows), strict=True)]
    return "\n".join([*_aligned(cells), *_notes(absent)])


def _notes(absent: Sequence[Absent]) -> list[str]:
    """A line a reason."""
    reasons: dict[str, list[str]] = {}
    for one in absent:
        reasons.setdefault(one.reason, []).append(one.what)
    return [
        f"not measured: {whats[0]}{f' and {len(whats) - 1} more' if len(whats) > 1 else ''}: {reason}"
        for reason, whats in reasons.items()
    ]


def to_dict(rows: Sequence[Row], absent: Sequence[Absent], pictures: Sequence[Path]) -> dict[str, Any]:
    """Everything, ready for JSON. Times are milliseconds a picture."""
    return {
        "machine": machine(),
        "pictures": [path.name for path in pictures],
        "rows": [_plain(row, ratio) for row, ratio in zip(rows, ratios(rows), strict=True)],
        "not_measured": [vars(one) for one in absent],
    }


def ratios(rows: Sequence[Row]) -> list[float | None]:
    """The median of a picture end to end, to that of the first row that has one."""
    totals = [row.median().get("total") for row in rows]
    first = next((total for total in totals if total), None)
    return [total / first if total and first else None for total in totals]


def machine() -> dict[str, Any]:
    """The processor and the versions of what computes."""
    versions = {name: found for name in PACKAGES if (found := _version(name))}
    return {"cpu": _cpu(), "cores": cores(), "python": platform.python_version(), "versions": versions}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    """Its name, from where Linux tells it."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", path.read_text("utf-8"), re.MULTILINE) if path.is_file() else None
    return found.group(1) if found else platform.processor()


def _rates(row: Row) -> dict[str, float]:
    return {name: 1000 / ms for name, ms in row.median().items() if name in RATES}


def _plain(row: Row, ratio: float | None) -> dict[str, Any]:
    subject = row.subject
    return {
        "model": subject.model, "by": subject.by, "fitted_into": subject.size, "input": row.input,
        "batch": subject.batch, "regions": row.regions, "median_ms": row.median(), "least_ms": row.least(),
        "pictures_per_s": _rates(row), "times_as_long": ratio, "ms": row.times,
    }  # fmt: skip


def _cells(row: Row, ratio: float | None) -> dict[str, str]:
    """By column, the same ones for every row."""
    subject, median, rates = row.subject, row.median(), _rates(row)
    texts = zip(TEXTS, (subject.model, subject.by, row.input), strict=True)
    numbers = {
        **{f"{name} ms": median.get(name) for name in STAGES},
        "least": row.least().get("total"),
        **{f"{name}/s": rates.get(name) for name in RATES},
        "regions": row.regions,
    }
    return {
        **dict(texts),
        "batch": str(subject.batch),
        **{name: "-" if number is None else f"{number:.1f}" for name, number in numbers.items()},
        "times": "-" if ratio is None else f"{ratio:.2f}",
    }


def _aligned(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The heading and the rows; columns without a value are left out."""
    if not rows:
        return []
    keys = [key for key in rows[0] if any(row[key] != "-" for row in rows)]
    lines: list[Mapping[str, str]] = [{key: key for key in keys}, *rows]
    widths = {key: max(len(line[key]) for line in lines) for key in keys}
    return [
        "  ".join(line[key].ljust(widths[key]) if key in TEXTS else line[key].rjust(widths[key]) for key in keys)
        for line in lines
    ]
