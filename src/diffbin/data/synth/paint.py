"""From the ink of a block to a coloured patch: sign, shadow, outline, fill."""

from dataclasses import dataclass
from random import Random

import cv2
import numpy as np

from diffbin.data.synth.colour import Colour, draw_ink, draw_sign
from diffbin.data.synth.pixels import Picture


@dataclass(frozen=True)
class Look:
    """How a block is painted. Lengths are pixels of the flat block."""

    margin_px: int  # around the ink; of the sign, or as much as outline and shadow need
    plate: bool
    frame_px: int  # line along the rim of the sign; 0 = none
    corner_px: int  # radius of the sign's corners
    outline_px: int
    shadow_px: tuple[int, int]  # (x, y); (0, 0) = none
    faint: bool
    arrow: int  # 0 none, -1 before the text, 1 after it; on signs
    blur_px: float


def draw_look(rng: Random, em_px: float, *, plate: bool, faint: bool) -> Look:
    """A look that suits text of `em_px` pixels."""
    outline = max(1, round(em_px * rng.uniform(0.03, 0.1))) if rng.random() < (0.04 if plate else 0.2) else 0
    far = max(1, round(em_px * rng.uniform(0.03, 0.12)))
    shadow = (rng.choice((-far, far)), far) if rng.random() < (0.08 if plate else 0.22) else (0, 0)
    margin = round(em_px * rng.uniform(0.15, 0.9)) + 3 if plate else outline + (far if shadow[0] else 0)
    return Look(
        margin_px=margin + 2,
        plate=plate,
        frame_px=max(1, round(em_px * rng.uniform(0.02, 0.1))) if rng.random() < 0.25 else 0,
        corner_px=round(margin * rng.uniform(0.3, 1.0)) if rng.random() < 0.35 else 0,
        outline_px=outline,
        shadow_px=shadow,
        faint=faint,
        arrow=rng.choice((-1, 1)) if plate and rng.random() < 0.1 else 0,
        blur_px=rng.uniform(0.3, 0.7) if rng.random() < 0.7 else rng.uniform(0.7, 1.3),
    )


def frame(look: Look, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """`(h, w)` of the patch for ink of `size` (h, w), and where the ink lies in it, `(x, y)`."""
    h, w, m = *size, look.margin_px
    wing = min(h, 3 * m + 12) if look.arrow else 0
    return (h + 2 * m, w + 2 * m + wing), (m + (wing if look.arrow < 0 else 0), m)


def paint(rng: Random, ink: Picture, look: Look, behind: tuple[float, ...]) -> tuple[Picture, Picture]:
    """The patch `(h, w, 3)` uint8 RGB and how much it covers, `(h, w)` uint8; `ink` already lies in the patch.

    behind  mean RGB of the place in the picture that the patch goes to
    """
    ground = draw_sign(rng, sum(behind) / 600) if look.plate else behind
    fill = draw_ink(rng, ground, faint=look.faint)
    patch = np.empty((*ink.shape, 3), np.uint8)
    patch[:] = ground if look.plate else fill
    cover = ink
    if look.plate:
        cover = _paint_plate(rng, patch, look, fill, ink)
    if look.shadow_px[0]:
        shadow = _shift(ink, look.shadow_px)
        shadow = (
            cv2.GaussianBlur(shadow, (0, 0), max(abs(look.shadow_px[0]) / 2, 0.5)) if rng.random() < 0.6 else shadow
        )
        _lay(patch, shadow, tuple(round(c * 0.35) for c in ground), new=not look.plate)
        cover = np.maximum(cover, shadow)
    if look.outline_px:
        wide = cv2.dilate(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * look.outline_px + 1,) * 2))
        _lay(patch, wide, draw_ink(rng, fill, faint=False), new=not look.plate and not look.shadow_px[0])
        cover = np.maximum(cover, wide)
    if look.plate or look.outline_px or look.shadow_px[0]:
        _lay(patch, ink, fill, new=False)
    if rng.random() < 0.25:
        _shade(rng, patch)
    return patch, cover


def _paint_plate(rng: Random, patch: Picture, look: Look, fill: Colour, ink: Picture) -> Picture:
    h, w = ink.shape
    cover = np.zeros((h, w), np.uint8)
    _rectangle(cover, (1, 1, w - 2, h - 2), look.corner_px, 255, -1)
    if look.frame_px:
        inset = 1 + rng.choice((0, 0, look.frame_px, 2 * look.frame_px))
        colour = fill if rng.random() < 0.7 else draw_sign(rng, 0.7)
        cv2.rectangle(patch, (inset, inset), (w - 1 - inset, h - 1 - inset), colour, look.frame_px)
    if look.arrow:
        _draw_arrow(rng, patch, look, fill, min(h - 2 * look.margin_px, 3 * look.margin_px + 12))
    return cover


def _rectangle(mask: Picture, box: tuple[int, int, int, int], radius: int, value: int, thickness: int) -> None:
    x0, y0, x1, y1 = box
    r = min(radius, (x1 - x0) // 2, (y1 - y0) // 2)
    cv2.rectangle(mask, (x0 + r, y0), (x1 - r, y1), value, thickness)
    cv2.rectangle(mask, (x0, y0 + r), (x1, y1 - r), value, thickness)
    if r > 0:
        for x in (x0 + r, x1 - r):
            for y in (y0 + r, y1 - r):
                cv2.circle(mask, (x, y), r, value, thickness)


def _draw_arrow(rng: Random, patch: Picture, look: Look, colour: Colour, size: int) -> None:
    h, w, _ = patch.shape
    x = look.margin_px + size * 0.4 if look.arrow < 0 else w - look.margin_px - size * 0.4
    centre, reach = np.array([x, h / 2]), size * 0.36
    way = np.array(rng.choice(((1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (0.7, -0.7), (-0.7, -0.7), (-0.7, 0.7))))
    start, end = (centre - way * reach).round().astype(int), (centre + way * reach).round().astype(int)
    cv2.arrowedLine(patch, start.tolist(), end.tolist(), colour, max(1, size // 9), cv2.LINE_AA, tipLength=0.45)


def _shift(mask: Picture, by: tuple[int, int]) -> Picture:
    moved = np.zeros_like(mask)
    (x, y), (h, w) = by, mask.shape
    moved[max(y, 0) : h + min(y, 0), max(x, 0) : w + min(x, 0)] = mask[
        max(-y, 0) : h + min(-y, 0), max(-x, 0) : w + min(-x, 0)
    ]
    return moved


def _lay(patch: Picture, mask: Picture, colour: tuple[int, ...], *, new: bool) -> None:
    """Paints `colour` where the mask is; everywhere if the layer is the lowest (`new`): the cover shapes it later."""
    if new:
        patch[:] = colour
        return
    share = mask.astype(np.float32) * np.float32(1 / 255)
    flat = np.empty_like(patch)
    flat[:] = colour
    cv2.blendLinear(flat, patch, share, 1 - share, patch)


def _shade(rng: Random, patch: Picture) -> None:
    """Light that falls off from one side to the other, or glare across."""
    h, w, _ = patch.shape
    a, b, c = rng.uniform(0.6, 1.1), rng.uniform(0.7, 1.3), rng.uniform(0.6, 1.1)
    ramp = np.array([[a, b, c]], np.float32) if rng.random() < 0.5 else np.array([[a], [b], [c]], np.float32)
    light = cv2.resize(ramp, (w, h), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(patch, cv2.merge([light] * 3), patch, dtype=cv2.CV_8U)
