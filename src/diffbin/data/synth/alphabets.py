"""Words invented in scripts of which none are typed by hand: letters, and the signs that are set around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from unicodedata import category, name


def _assigned(first: int, last: int) -> str:
    """The characters of a range that Unicode has."""
    return "".join(chr(code) for code in range(first, last + 1) if category(chr(code)) != "Cn")


@dataclass(frozen=True)
class Alphabet:
    """A word is one to four syllables, or as many letters as a word has.

    letters  that begin a syllable
    signs    of which a syllable may have one: of vowels, above, below and beside the letter
    leading  signs that are written before the letter
    joins    what makes one of two letters, or ""
    lengths  of words, in syllables
    """

    letters: str
    signs: str = ""
    leading: str = ""
    joins: str = ""
    lengths: Sequence[int] = (1, 2, 2, 3, 3, 4)

    def word(self, rng: Random) -> str:
        return "".join(self._syllable(rng) for _ in range(rng.choice(self.lengths)))

    def _syllable(self, rng: Random) -> str:
        letter = rng.choice(self.letters)
        if self.joins and rng.random() < 0.12:
            letter += self.joins + rng.choice(self.letters)
        if self.leading and rng.random() < 0.2:
            return rng.choice(self.leading) + letter
        return letter + rng.choice(self.signs) if self.signs and rng.random() < 0.6 else letter


def _indic(block: int) -> Alphabet:
    """Unicode lays out the scripts of India alike: letters, signs of vowels and the joining sign by their place."""
    letters = "".join(c for c in _assigned(block + 0x15, block + 0x39) if "LETTER" in name(c))
    return Alphabet(letters, _assigned(block + 0x3E, block + 0x4C), joins=chr(block + 0x4D))


def _hangul() -> str:
    """Syllables of an initial, a vowel and, or not, a final, without the rare ones of each."""
    initials = (0, 2, 3, 5, 6, 7, 9, 11, 12, 14, 15, 16, 17, 18)
    vowels, finals = (0, 4, 5, 6, 8, 13, 18, 20), (0, 1, 4, 8, 16, 21)
    return "".join(chr(0xAC00 + (a * 21 + b) * 28 + c) for a in initials for b in vowels for c in finals)


LETTERS_OF_A_WORD = (1, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 10)
ALPHABETS = {
    "hangul": Alphabet(_hangul(), lengths=(1, 2, 2, 2, 3, 3, 4, 5)),
    "hebrew": Alphabet(_assigned(0x5D0, 0x5EA), lengths=LETTERS_OF_A_WORD),
    "thai": Alphabet(_assigned(0xE01, 0xE2E), signs="ะาิีึืุู่้ำ", leading="เแโไใ", lengths=(2, 3, 4, 5, 6, 8)),
    "bengali": _indic(0x980),
    "gurmukhi": _indic(0xA00),
    "gujarati": _indic(0xA80),
    "tamil": _indic(0xB80),
    "telugu": _indic(0xC00),
    "kannada": _indic(0xC80),
    "malayalam": _indic(0xD00),
    "khmer": Alphabet(_assigned(0x1780, 0x17A2), signs=_assigned(0x17B6, 0x17C5), joins="\u17d2"),
    "georgian": Alphabet(_assigned(0x10D0, 0x10F0), lengths=LETTERS_OF_A_WORD),
    "armenian": Alphabet(_assigned(0x561, 0x586), lengths=LETTERS_OF_A_WORD),
    "ethiopic": Alphabet(_assigned(0x1200, 0x1356), lengths=(1, 2, 2, 3, 3, 4, 5)),
}
