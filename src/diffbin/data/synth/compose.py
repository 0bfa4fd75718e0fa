"""What one block of text says and how large, in which font and how its lines are set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from diffbin.data.synth import corpus, fonts
from diffbin.data.synth.block import Block, Line, Setting, set_block
from diffbin.data.synth.fonts import FontBook
from diffbin.data.synth.settings import LEAST_SPACED_RATIO, WIDE_GAP_RATIO, Synth
from diffbin.data.synth.words import PROBES

CAPITAL_RATIO = dict.fromkeys(fonts.SHAPED, 0.6) | {"cjk": 0.85, "hangul": 0.85, "devanagari": 0.62}
"""Height as a share of the em; others 0.7."""
LEFTWARDS = ("arabic", "hebrew")
WIDEST_RATIO = 0.92  # of the picture, that a block may fill
LEAST_EM_PX = 8


@dataclass(frozen=True)
class Words:
    """A block before it is drawn: its lines, their sizes relative to the first, and the font."""

    lines: Sequence[Sequence[str]]
    scales: Sequence[float]
    script: str
    path: str
    em_px: float
    setting: Setting


def draw_words(rng: Random, config: Synth, book: FontBook, *, most: int, single: bool) -> Words:
    """Up to `most` words; on one line if `single`."""
    script = _draw_script(rng, config, book)
    path = book.draw_path(rng, script)
    counts = _draw_counts(rng, most, single=single, script=script)
    case = corpus.draw_case(rng)
    lines = [_drawable(corpus.text_words(rng, script, count, case), path) for count in counts]
    scales = [rng.uniform(1.2, 2.2) if rng.random() < 0.3 else 1.0] + [1.0] * (len(lines) - 1)
    height = _draw_height(rng, config, len(lines))
    return Words(
        lines=[line for line in lines if line] or [[PROBES[script][0]]],
        scales=scales,
        script=script,
        path=path,
        em_px=height / CAPITAL_RATIO.get(script, 0.7),
        setting=_draw_setting(rng, config, script, single=single),
    )


def lay_out(words: Words, size: tuple[int, int]) -> Block:
    """The block set flat; smaller than drawn if it would not fit a picture of `size` (h, w)."""
    block = _set(words, 1.0)
    h, w = block.ink.shape
    room = WIDEST_RATIO * min(size[0] / max(h, 1), size[1] / max(w, 1))
    return block if room >= 1 else _set(words, room)


def _set(words: Words, scale: float) -> Block:
    lines = []
    for line, factor in zip(words.lines, words.scales, strict=False):
        lines.append(Line(line, fonts.load(words.path, _even(words.em_px * factor * scale), words.script)))
    return set_block(lines, words.setting)


def _even(em_px: float) -> int:
    """Sizes in steps of about 5 %, so that few fonts are opened."""
    step = 1 if em_px < 36 else 3 if em_px < 80 else 8
    return max(round(em_px / step) * step, LEAST_EM_PX)


def _draw_script(rng: Random, config: Synth, book: FontBook) -> str:
    weights = book.covered(vars(config.scripts))
    return rng.choices(list(weights), list(weights.values()))[0]


def _draw_counts(rng: Random, most: int, *, single: bool, script: str) -> list[int]:
    """Words on each line."""
    long = 3 if script == "cjk" else 6
    kind = rng.random()
    if kind < 0.25 or most == 1:
        return [1]
    if single or kind < 0.6:
        return [min(rng.randint(2, long), most)]
    counts: list[int] = []
    usual = rng.randint(1, long)
    for _ in range(rng.choice((2, 2, 3, 3, 4, 5, 7))):
        count = min(max(usual + rng.randint(-1, 1), 1), most - sum(counts))
        if count > 0:
            counts.append(count)
    return counts


def _drawable(words: list[str], path: str) -> list[str]:
    """Without the characters that the font lacks; a word that loses all is left out."""
    kept = [fonts.drawable(path, word) for word in words]
    return [word for word in kept if word.strip(".,:-' ")]


def _draw_height(rng: Random, config: Synth, lines: int) -> float:
    """Of capital letters, in pixels."""
    low, high = math.log(config.height_min_px), math.log(config.height_max_px)
    share = rng.random() ** (1.25 if lines == 1 else 2.0)
    return math.exp(low + (high - low) * share)


def _draw_setting(rng: Random, config: Synth, script: str, *, single: bool) -> Setting:
    spaced = script not in fonts.SHAPED and rng.random() < config.spaced_ratio
    spread = rng.uniform(LEAST_SPACED_RATIO, config.spaced_max_ratio) if spaced else 0.0
    low, high = config.gap_min_ratio, config.gap_max_ratio
    gap = rng.uniform(low, high) if rng.random() < 0.85 else rng.uniform(high, WIDE_GAP_RATIO)
    return Setting(
        gap_ratio=gap + 1.5 * spread,
        leading_ratio=rng.uniform(1.0, 1.3) if rng.random() < 0.7 else rng.uniform(1.3, 1.9),
        tracking_ratio=spread,
        align=rng.choice((0.0, 0.0, 0.5, 0.5, 0.5, 1.0)),
        leftwards=script in LEFTWARDS,
        downwards=_draw_downwards(rng, config, script, single=single),
    )


def _draw_downwards(rng: Random, config: Synth, script: str, *, single: bool) -> bool:
    """Draws nothing where no line may run downwards: seeds of older sets give the same pictures."""
    return script == "cjk" and not single and config.vertical_ratio > 0 and rng.random() < config.vertical_ratio
