"""Labelled pictures that text is written on, where they have none (after GlyphMix, Guan et al., arXiv 2312.05286).

The network sees real text, its surroundings and its cameras, and between them letters that no set has.
"""

from diffbin.config import Source
from diffbin.data.annotations import list_pictures, read_annotation
from diffbin.data.sample import Sample
from diffbin.errors import InputError


class Originals:
    """The pictures of a source, read when they are needed."""

    def __init__(self, source: Source) -> None:
        self._source, self._pictures = source, list_pictures(source, "")
        if not self._pictures:
            raise InputError(
                f'part "{source.part}" leaves no picture of {source.images}; give another, or none for all.'
            )

    def load(self, seed: int) -> Sample:
        """One for each seed, by turns, so that a set has all of them equally often. Raises `InputError`."""
        picture = self._pictures[seed % len(self._pictures)]
        label = read_annotation(self._source, picture)
        return Sample(picture.read(), label.polygons, label.ignored, label.texts)
