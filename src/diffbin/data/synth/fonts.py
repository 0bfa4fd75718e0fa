"""Fonts found on disk, grouped in families, and which scripts they cover."""

import os
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from unicodedata import category

from PIL import ImageFont, features

from diffbin.data.synth.words import PROBES
from diffbin.errors import DependencyError, InputError

SYSTEM_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)
NOT_TEXT = (
    "emoji", "color", "symbol",
    "keyboard", "music", "math", "initial", "dings", "blank", "barcode", "icon", "signwriting",
    "lastresort", "awesome", "linbiolinum_k",
)  # fmt: skip
SHAPED = (
    "arabic", "devanagari", "hebrew", "thai", "bengali", "gurmukhi", "gujarati", "tamil", "telugu", "kannada",
    "malayalam", "khmer",
)  # fmt: skip
"""Scripts that need libraqm."""
NOWHERE = "\uffff"  # no font has it
BUILT_IN = ""  # stands for the path of Pillow's own font

Families = tuple[tuple[str, ...], ...]


class FontBook:
    """The fonts below one folder, or those of the system. What it answers depends on the files alone.

    folder   "" = the folders where systems keep fonts; without any font there, the one that Pillow brings along
    """

    def __init__(self, folder: str) -> None:
        if not features.check("freetype2"):
            raise DependencyError("Rendering text needs a Pillow with FreeType; install Pillow from PyPI.")
        if folder and not Path(folder).is_dir():
            raise InputError(f"The folder of fonts {folder} does not exist.")
        self._families = _find(folder)

    def families(self, script: str) -> Families:
        """The families that cover a script, each a tuple of files; empty where there is none."""
        return _covering(self._families, script)

    def covered(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Of scripts and how often they are wanted those that are wanted at all and have a font."""
        return {script: weight for script, weight in weights.items() if weight > 0 and self.families(script)}

    def draw_path(self, rng: Random, script: str) -> str:
        """A file of any family, each as likely; the script must be covered."""
        family = rng.choice(self.families(script))
        path = rng.choice(family)
        return path if covers(path, script) else family[0]


def load(path: str, size_px: int, script: str) -> ImageFont.FreeTypeFont:
    """The font at `size_px` pixels an em. libraqm shapes the scripts that need it."""
    return _load(path, size_px, script in SHAPED)


@lru_cache(maxsize=256)
def _load(path: str, size_px: int, shaped: bool) -> ImageFont.FreeTypeFont:
    engine = ImageFont.Layout.RAQM if shaped else ImageFont.Layout.BASIC
    if path == BUILT_IN:
        built_in = ImageFont.load_default(size_px)
        if not isinstance(built_in, ImageFont.FreeTypeFont):
            raise DependencyError("Rendering text needs a Pillow with FreeType; install Pillow from PyPI.")
        return built_in
    return ImageFont.truetype(path, size_px, layout_engine=engine)


@lru_cache(maxsize=4)
def _find(folder: str) -> Families:
    expand = os.path.expanduser  # pathlib raises for a user without a home folder
    roots = [Path(folder)] if folder else [Path(expand(root)) for root in SYSTEM_FOLDERS]
    families: dict[str, list[str]] = {}
    for path in sorted({path for root in roots for path in _files(root)}):
        name = Path(path).stem.lower()
        if not any(word in name for word in NOT_TEXT):
            families.setdefault(_family(name), []).append(path)
    return tuple(tuple(files) for _, files in sorted(families.items())) or ((BUILT_IN,),)


def _family(name: str) -> str:
    """What the files of one design have in common. Noto is a family a script; the others differ in five letters."""
    name = re.split(r"[-_ \[]", name)[0]
    return name if name.startswith("noto") else name[:5]


def _files(root: Path) -> list[str]:
    found = []
    for folder, _, names in os.walk(root):
        found += [str(Path(folder) / name) for name in names if name.lower().endswith((".ttf", ".otf", ".ttc"))]
    return found


@lru_cache(maxsize=32)
def _covering(families: Families, script: str) -> Families:
    if script in SHAPED and not features.check("raqm"):
        return ()
    found = []
    for family in families:
        regular = next((path for path in family if "regular" in path.lower()), family[0])
        if covers(regular, script):
            found.append((regular, *(path for path in family if path != regular)))
    return tuple(found)


@cache
def covers(path: str, script: str) -> bool:
    """Whether the font has every probe of the script."""
    try:
        return all(has(path, character) for character in PROBES[script])
    except OSError:  # not a font that FreeType reads
        return False


@cache
def has(path: str, character: str) -> bool:
    """Whether the font draws something for a character that is not its sign for a missing one."""
    font = _load(path, 24, False)
    drawn = bytes(font.getmask(character))
    return any(drawn) and drawn != bytes(font.getmask(NOWHERE))


def drawable(path: str, text: str) -> str:
    """The text without the characters that the font lacks; marks that belong to a letter are not looked for."""
    return "".join(character for character in text if category(character)[0] == "M" or has(path, character))
