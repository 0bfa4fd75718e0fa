"""Words joined to lines, so that a set labelled by words can teach a model of lines.

A word's points run clockwise from the top left of its own text, as the formats of words have it; so its first edge, or
first half of points, lies along the reading direction, as `diffbin.lines` wants it.
"""

import numpy as np

from diffbin.data.labels import Annotation
from diffbin.geometry import area
from diffbin.lines import chains, neighbours, outline


def join_words(words: Annotation) -> Annotation:
    """The words of each line as one region, in the order of their first words; lone words stay as they are.

    A line is ignored where ignored words are half of its words' area or more: short words and single unreadable ones
    are often marked so and are text all the same. Texts are joined by spaces.
    """
    areas = np.array([area(p) for p in words.polygons])
    found = chains(len(words.polygons), neighbours(words.polygons))
    polygons = [words.polygons[line[0]] if len(line) == 1 else outline(words.polygons, line) for line in found]
    unknown = [areas[line] @ words.ignored[line] >= areas[line].sum() / 2 for line in found]
    texts = [" ".join(words.texts[i] for i in line).strip() for line in found]
    return Annotation(polygons, np.array(unknown, np.bool_), texts)
