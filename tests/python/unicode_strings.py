"""Random strings that stress what the pre-tokenizer tells apart."""

import random
import unicodedata
from collections.abc import Iterator
from functools import cache

BLANKS = [
    " ",
    "\t",
    "\x0b",
    "\x0c",
    "\x85",
    "\xa0",
    "\u1680",
    "\u2003",
    "\u2028",
    "\u2029",
    "\u202f",
    "\u3000",
]
NOT_BLANKS = ["\x1c", "\x1f", "\u180e", "\u200b", "\ufeff", "\u2060"]  # look like white space, are not
NEWLINES = ["\n", "\r", "\r\n", "\n\n", "\n\r"]
CONTRACTIONS = ["'s", "'S", "'\u017f", "'t", "'RE", "'ve", "'m", "'LL", "'d", "'", "\u2019s", "'x"]
WORDS = [
    "hello",
    "World",
    "camelCase",
    "HTTPServer",
    "\u0130stanbul",
    "stra\u00dfe",
    "\u01c5",
    "I",
    "a",
    "the",
]
SCRIPTS = [
    "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\u4f60\u597d",
    "\u3053\u3093",
    "\ud55c\uad6d",
    "\u0645\u0631\u062d\u0628\u0627",
]
EMOJI = ["\U0001f600", "\U0001f469\u200d\U0001f4bb", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "1\ufe0f\u20e3"]
PUNCTUATION = [*'!/#.,;:-_()[]{}<>|*&^%$@~`"\\=+?', "//", "...", "<|end|>", "\n/", "/\n"]
DIGITS = ["1", "22", "333", "4444", "\u0664\u0665", "\u00bd", "\u2167", "\u4e00", "\u0be7"]
MARKS = [
    "\u0301",
    "\u0308\u0301",
    "\u0940",
    "\u0e49",
    "\u20dd",
    "\ufe0f",
    "e\u0301",
    "!\u0301",
    "5\u0301",
    " \u0301",
]


@cache
def by_category() -> dict[str, list[str]]:
    """Assigned characters by general category."""
    table: dict[str, list[str]] = {}
    for code in range(0x110000):
        category = unicodedata.category(chr(code))
        if category not in ("Cs", "Cn", "Co"):
            table.setdefault(category, []).append(chr(code))
    return table


def random_strings(n: int, seed: int) -> Iterator[str]:
    """`n` strings of up to 24 parts; the same for the same seed."""
    rng = random.Random(seed)
    pools = [BLANKS, NOT_BLANKS, NEWLINES, CONTRACTIONS, WORDS, SCRIPTS, EMOJI, PUNCTUATION, DIGITS, MARKS]
    categories = list(by_category().values())
    for _ in range(n):
        parts = []
        for _ in range(rng.randint(0, 24)):
            pool = rng.choice(categories if rng.random() < 0.4 else pools)
            parts.append(rng.choice(pool) * (rng.randint(2, 9) if rng.random() < 0.1 else 1))
        yield "".join(parts)
