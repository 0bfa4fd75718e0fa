"""What a block of rendered text says: signs, names, invented words, numbers, prices, times, codes."""

from collections.abc import Callable
from random import Random

from diffbin.data.synth import words
from diffbin.data.synth.alphabets import ALPHABETS

ONSETS, VOWELS, CODAS = words.ONSETS.split(), words.VOWELS.split(), words.CODAS.split()
SIGNS, NAMES, FILLERS = words.SIGNS.split(), words.NAMES.split(), words.FILLERS.split()
LISTS = {
    "cyrillic": words.CYRILLIC.split(),
    "greek": words.GREEK.split(),
    "arabic": words.ARABIC.split(),
    "devanagari": words.DEVANAGARI.split(),
}
LONE = ("0123456789", "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "AIalI1-+&x")
CASED = ("latin", "cyrillic", "greek", "armenian")


def text_words(rng: Random, script: str, count: int, case: str) -> list[str]:
    """`count` words of a script that belong to one line. `case` is "upper", "title" or "lower"."""
    return [_cased(_word(rng, script), script, case) for _ in range(count)]


def draw_case(rng: Random) -> str:
    """Signs shout: upper case in half of the cases."""
    return rng.choices(("upper", "title", "lower"), (50, 30, 20))[0]


def _word(rng: Random, script: str) -> str:
    if script == "latin":
        return rng.choices(KINDS, WEIGHTS)[0](rng)
    if rng.random() < 0.1:
        return _number(rng)
    if script == "cjk":
        return "".join(rng.choices(words.CJK_CHARACTERS, k=rng.choice((1, 2, 2, 2, 3, 3, 4, 4, 5, 6))))
    return ALPHABETS[script].word(rng) if script in ALPHABETS else rng.choice(LISTS[script])


def _cased(word: str, script: str, case: str) -> str:
    if script not in CASED:
        return word
    if case == "upper":
        return word.upper()
    return word[:1].upper() + word[1:] if case == "title" else word


def _sign(rng: Random) -> str:
    return rng.choice(SIGNS)


def _name(rng: Random) -> str:
    return rng.choice(NAMES)


def _invented(rng: Random) -> str:
    syllables = rng.choices((1, 2, 3, 4), (25, 45, 22, 8))[0]
    word = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(syllables))
    return word + (rng.choice(CODAS) if rng.random() < 0.5 else "")


def _short(rng: Random) -> str:
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.choice((1, 1, 2))))


def lone(rng: Random) -> str:
    """A character that stands by itself: a mark in a table, an initial, a number of one digit."""
    return rng.choice(rng.choice(LONE))


def _number(rng: Random) -> str:
    return str(rng.randrange(10 ** rng.randint(1, 5)))


def _price(rng: Random) -> str:
    mark = rng.choice("$$$€£¥")
    amount = rng.choice((f"{rng.randrange(200)}.{rng.randrange(100):02d}", f"{rng.randrange(1, 999)}"))
    return mark + amount if rng.random() < 0.8 else f"{rng.randrange(1, 100)}%"


def _time(rng: Random) -> str:
    clock = f"{rng.randrange(24)}{rng.choice(':.')}{rng.randrange(0, 60, 5):02d}"
    return rng.choice((clock, f"{rng.randint(1, 12)}am", f"{rng.randint(1, 12)}pm", str(rng.randint(1950, 2030))))


def _phone(rng: Random) -> str:
    digits = "".join(rng.choices("0123456789", k=rng.randint(6, 9)))
    return digits if rng.random() < 0.5 else f"{digits[:3]}-{digits[3:]}"


def _code(rng: Random) -> str:
    letters = "".join(rng.choices("ABCDEFGHIJKLMNOPRSTUVWXYZ", k=rng.randint(1, 3)))
    digits = str(rng.randrange(1000))
    return rng.choice(
        (letters + digits, f"{letters}-{digits}", f"#{digits}-{rng.randrange(100):02d}", digits + letters)
    )


def _marked(rng: Random) -> str:
    word = _sign(rng)
    return rng.choice(
        (f"{word},", f"{word}.", f"{word}!", f"{word}:", f"({word})", f"{word}'s", f"{word}-{_name(rng)}")
    )


def _web(rng: Random) -> str:
    return f"www.{_invented(rng)}.{rng.choice(('com', 'net', 'org', 'sg', 'de', 'co.uk'))}"


KINDS: tuple[Callable[[Random], str], ...] = (
    _sign, _name, _invented, _short, _number, _price, _time, _phone, _code, _marked, _web
)  # fmt: skip
WEIGHTS = (38, 12, 22, 4, 6, 4, 3, 2, 3, 5, 1)


def prose(rng: Random, script: str, count: int) -> list[str]:
    """`count` words as they follow one another in print: mostly lower case, with marks and figures between them."""
    (ends, pauses), said, first = CJK_MARKS if script == "cjk" else MARKS, [], True
    for _ in range(count):
        word = rng.choice(FILLERS) if script == "latin" and rng.random() < 0.35 else _prose_word(rng, script)
        word = word[:1].upper() + word[1:] if first else word
        kind = rng.random()
        first = kind < 0.09
        mark = rng.choice(ends) if first else rng.choice(pauses) if kind < 0.17 else ""
        said.append(rng.choice(("({})", '"{}"')).format(word) + mark if rng.random() < 0.03 else word + mark)
    return said


def _prose_word(rng: Random, script: str) -> str:
    if script != "latin":
        return figure(rng) if rng.random() < 0.1 else _word(rng, script)
    return rng.choices((_sign, _invented, _name, figure, _code, lone), (40, 40, 8, 9, 3, 5))[0](rng)


def figure(rng: Random) -> str:
    """What stands in tables and on bills."""
    return rng.choice((_price, _number, _time, _amount))(rng)


def _amount(rng: Random) -> str:
    sign, whole = rng.choice(("", "", "-")), rng.randrange(10 ** rng.randint(1, 6))
    return f"{sign}{whole:,}{rng.choice(('', '', '.00', '.5', '%'))}"


def token(rng: Random) -> str:
    """A piece of a program without white in it."""
    name, other = rng.choice((_sign, _invented))(rng), rng.choice((_sign, _invented, _number))(rng)
    return rng.choice(TOKENS).format(name, other)


MARKS, CJK_MARKS = (".....?!", ",,,,;:"), ("。。。？！", "，，、：；")
TOKENS = ("{}", "{}", "{}_{}", "{}.{}", "{}({})", "{}({},", "{}:", "{};", '"{}"', "{}=", "[{}]", "<{}>", "--{}")
