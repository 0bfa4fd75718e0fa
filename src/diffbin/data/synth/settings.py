"""What is rendered: every setting of the text renderer."""

from dataclasses import dataclass, field
from typing import Literal

from diffbin.config import Source, check_range
from diffbin.errors import ConfigError

WIDE_GAP_RATIO = 0.9  # the most white between words
LEAST_SPACED_RATIO = 0.04  # the least white between spaced letters
SHARES = (
    "spaced_ratio", "vertical_ratio", "page_ratio", "sideways_ratio", "photo_ratio", "empty_ratio", "clutter_ratio",
    "plate_ratio", "curved_ratio", "faint_ratio", "hidden_ratio",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Scripts:
    """How often a block of rendered text is of each script; relative weights. Scripts without a font are left out.

    From `hangul` on words are invented, of letters and of the signs that are set around them.
    """

    latin: float = 0.88
    cjk: float = 0.04
    cyrillic: float = 0.03
    greek: float = 0.01
    arabic: float = 0.02
    devanagari: float = 0.02
    hangul: float = 0.0
    hebrew: float = 0.0
    thai: float = 0.0
    bengali: float = 0.0
    gurmukhi: float = 0.0
    gujarati: float = 0.0
    tamil: float = 0.0
    telugu: float = 0.0
    kannada: float = 0.0
    malayalam: float = 0.0
    khmer: float = 0.0
    georgian: float = 0.0
    armenian: float = 0.0
    ethiopic: float = 0.0

    def __post_init__(self) -> None:
        check_range("0 or more", self, tuple(vars(self)))


@dataclass(frozen=True, kw_only=True)
class Synth:
    """Rendered text. The ratios are shares of pictures or of blocks of text, from 0 to 1."""

    size_px: tuple[int, int] = (640, 640)
    unit: Literal["word", "line"] = "word"  # what is labelled
    backgrounds: str = ""  # folder of photographs without text; "" = procedural backgrounds only
    originals: Source = field(default_factory=Source)  # labelled pictures to write on instead, see `originals`
    fonts: str = ""  # folder of fonts; "" = those of the system, or else Pillow's own
    scripts: Scripts = field(default_factory=Scripts)
    words_min: int = 3  # in a picture; log-uniform
    words_max: int = 30
    height_min_px: float = 8.0  # of capital letters; log-uniform, small ones more often
    height_max_px: float = 120.0
    gap_min_ratio: float = 0.2  # white between words, as a share of the font's em; a seventh of the blocks have more
    gap_max_ratio: float = 0.42
    spaced_ratio: float = 0.15  # blocks with white between letters, up to the next value, as a share of the font's em
    spaced_max_ratio: float = 0.35
    vertical_ratio: float = 0.0  # blocks of CJK whose lines run downwards
    pad_ratio: float = 0.04  # between ink and label, as a share of the height, on each side
    page_ratio: float = 0.0  # pictures that are a page of print or a screen full of it, its text of `height_min_px` on
    sideways_ratio: float = 0.0  # pages that lie on their side, as scanners and telephones leave them
    photo_ratio: float = 0.85  # pictures on a photograph, where there are any
    empty_ratio: float = 0.04  # pictures with clutter and no text
    clutter_ratio: float = 0.5  # pictures with things that look like text
    plate_ratio: float = 0.5  # blocks on a sign
    curved_ratio: float = 0.08  # blocks that are one line along an arc
    faint_ratio: float = 0.15  # blocks of little contrast
    hidden_ratio: float = 0.06  # blocks with something in front

    def __post_init__(self) -> None:
        check_range("from 0 to 1", self, SHARES)
        if min(self.size_px) < 64:
            raise ConfigError(f"size_px is {self.size_px}; rendered pictures have at least 64 x 64 pixels.")
        if not 0 < self.words_min <= self.words_max or not 0 < self.height_min_px <= self.height_max_px:
            raise ConfigError("words_min and height_min_px must be positive and at most words_max and height_max_px.")
        if not 0 < self.gap_min_ratio <= self.gap_max_ratio < WIDE_GAP_RATIO:
            raise ConfigError(
                f"gap_min_ratio is {self.gap_min_ratio} and gap_max_ratio {self.gap_max_ratio}; they must be above 0, "
                f"the second at least the first, and both below {WIDE_GAP_RATIO}, the white of widely spaced words."
            )
        if self.originals.images and self.backgrounds:
            raise ConfigError("Text is written on backgrounds or on originals, labelled pictures; name one of them.")
        if self.originals.images and self.page_ratio:
            raise ConfigError("Pages are pictures of their own, not written on originals; leave page_ratio at 0 there.")
        stored = self.originals.labels_as or self.originals.stored_unit
        if self.originals.images and stored != self.unit:
            raise ConfigError(
                f"The labels of {self.originals.images} are of a {stored} each, but unit is {self.unit}; "
                "a set has labels of one unit."
            )
        if self.spaced_max_ratio < LEAST_SPACED_RATIO:
            raise ConfigError(f"spaced_max_ratio is {self.spaced_max_ratio}; it must be {LEAST_SPACED_RATIO} or more.")
