"""Makes docs/api.md from signatures and docstrings: `python docs/api.py`."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).with_name("api.md")
ROOMS = {  # what programs use, by what they want
    "Find text": ["detector.Detector", "detections.Detections", "detections.Detection", "stream.Result"],
    "Pictures in": ["image.load", "image.ImageSource", "pages.pages", "pages.Page"],
    "Answers out": [
        "lines.lines",
        "lines.Line",
        "crop.crops",
        "crop.crop",
        "draw.draw",
        "formats.FORMATS",
        "formats.Format",
    ],
    "Settings": ["config.Preprocess", "config.Decode"],
    "Score": ["config.Source", "metrics.evaluate.evaluate", "metrics.iou.compare", "metrics.iou.score"],
    "Serve": ["serve.service.application", "serve.limits.Limits"],
    "Models": ["zoo.load", "export.export", "quantize.export_int8"],
    "Errors": ["errors"],
}
HEAD = """# From Python

Made by `python docs/api.py`, from the code itself. Sizes are `(h, w)`, points `(x, y)`;
[conventions](conventions.md) has the rest. What is not named here may change without notice.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for room, names in ROOMS.items():
        parts += [f"## {room}\n", *(text for name in names for text in _entry(f"diffbin.{name}"))]
    return "\n".join(parts)


def _entry(name: str) -> Iterator[str]:
    module, _, item = name.rpartition(".")
    if name == "diffbin.errors":
        yield f"```\n{inspect.getdoc(importlib.import_module(name))}\n```\n"
        return
    source = Path(inspect.getfile(importlib.import_module(module))).read_text("utf-8")
    node = next(node for node in ast.parse(source).body if _name(node) == item)
    yield f"### {name}\n\n```py\n{_shown(source, node)}\n```\n"


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        return target.id if isinstance(target, ast.Name) else None
    return getattr(node, "name", None)


def _shown(source: str, node: ast.stmt, indent: str = "") -> str:
    """Signature, docstring, and of a class its fields and public methods, as they stand in the file."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return ast.get_source_segment(source, node) or ""
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    lines = source.splitlines()
    documented = ast.get_docstring(node) is not None
    last = node.body[0].end_lineno if documented else node.body[0].lineno - 1
    shown = [line.removesuffix("  # noqa: B008  # frozen") for line in lines[node.lineno - 1 : last]]
    decorators = [f"{indent}@{ast.unparse(each)}" for each in node.decorator_list]
    if isinstance(node, ast.ClassDef):
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        shown += [""] if fields else []
        shown += [line for part in fields for line in lines[part.lineno - 1 : part.end_lineno]]
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and _is_public(part):
                shown += ["", _shown(source, part, indent + "    ")]
    return "\n".join(decorators + shown)


def _is_public(method: ast.FunctionDef) -> bool:
    """Of a method with overloads the last, which has the docstring."""
    overload = any(ast.unparse(each) == "overload" for each in method.decorator_list)
    return not overload and (method.name in ("__init__", "__call__") or not method.name.startswith("_"))


if __name__ == "__main__":
    PAGE.write_text(page())
