"""An HTML page that needs nothing beside it: its style, light and dark, and its parts."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1c1c1f; --quiet: #5d5f66; --line: #dcdde1;
  --c0: #0b62c4; --c1: #b3470a; --c2: #08754a; --c3: #8a3bb0; --c4: #8a6a00; }
@media (prefers-color-scheme: dark) { :root { --ground: #17181b; --text: #ececf0; --quiet: #a5a8b0; --line: #3a3c42;
  --c0: #6db3ff; --c1: #ff9d5c; --c2: #4fd39a; --c3: #d59bf2; --c4: #e0c04a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 60px; max-width: 1040px; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.2rem; margin: 40px 0 12px; }
p { margin: 4px 0; } .quiet, figcaption { color: var(--quiet); }
.figures { display: flex; flex-wrap: wrap; gap: 12px 40px; margin: 24px 0 0; } .figures dt { color: var(--quiet); }
.figures dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; } .figures small { font-size: .9rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 24px; }
figure { margin: 0; } img { max-width: 100%; height: auto; }
figcaption { font-weight: 600; color: var(--text); display: flex; flex-wrap: wrap; gap: 0 14px; }
svg { width: 100%; max-width: 640px; height: auto; font-size: 12px; } svg text { fill: var(--quiet); }
.axis { stroke: var(--line); } circle { fill: var(--quiet); }
polyline { fill: none; stroke: var(--quiet); stroke-width: 2; stroke-linejoin: round; }
polyline.curve0 { stroke: var(--c0); } polyline.curve1 { stroke: var(--c1); stroke-dasharray: 7 3; }
polyline.curve2 { stroke: var(--c2); stroke-dasharray: 2 3; }
polyline.curve3 { stroke: var(--c3); stroke-dasharray: 9 3 2 3; }
circle.curve0 { fill: var(--c0); } circle.curve1 { fill: var(--c1); } circle.curve2 { fill: var(--c2); }
circle.curve3 { fill: var(--c3); } polyline.curve4 { stroke: var(--c4); stroke-dasharray: 4 2; }
circle.curve4 { fill: var(--c4); } .key { font-weight: 400; }
.key svg { width: 26px; height: 10px; margin-right: 5px; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 14px 3px 0; text-align: left; border-bottom: 1px solid var(--line); }
summary { cursor: pointer; margin: 8px 0; } a { color: var(--c0); }
"""


def page(title: str, *, quiet: str, sections: dict[str, str]) -> str:
    """A heading, a line below it, and sections of HTML by their titles; those without content are left out."""
    parts = [f"<section><h2>{escape(name)}</h2>{content}</section>" for name, content in sections.items() if content]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><header><h1>{escape(title)}</h1><p class="quiet">{escape(quiet)}</p></header>'
        f"<main>{''.join(parts)}</main></body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Of texts."""
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    titles = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def details(summary: str, content: str) -> str:
    """HTML that is folded up."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def picture(path: Path, text: str) -> str:
    """A JPEG file inside the page, with what it shows; "" where there is no such file."""
    if not path.exists():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<figure><img src="data:image/jpeg;base64,{data}" alt="{escape(text)}"></figure>'


def figures(values: dict[str, str]) -> str:
    """Large figures side by side, by what they are."""
    return (
        '<dl class="figures">'
        + "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in values.items())
        + "</dl>"
    )
