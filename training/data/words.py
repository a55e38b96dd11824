"""Words that the conversations are about: names, places, things; and words that nobody has seen before."""

from __future__ import annotations

import random
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES: Final = _words(
    """
    Anna Ben Clara David Emma Frank Grace Henry Ida Jack Kate Leo Maria Nick Olga Paul Rosa Sam Tina
    Victor Alice Bob Carol Dan Eva Fred Gina Hugo Iris John Karl Lisa Mark Nina Oscar Peter Ruth Simon
    Tom Vera
    """
)
CITIES: Final = _words(
    """
    Paris Rome Madrid Berlin Lisbon Vienna Athens Warsaw Dublin Oslo Stockholm Tokyo Cairo Boston
    Chicago London Moscow Sydney Toronto Munich Hamburg Milan Zurich Geneva Seattle Denver Dallas Miami
    Lima Delhi
    """
)
ITEMS: Final = _words(
    """
    apple bread book chair table lamp pen cup shirt coat hat phone radio clock bottle box bag ball key
    ring bike car boat tent knife spoon plate mirror carpet pillow
    """
)
NOUNS: Final = _words(
    """
    river stone cloud tree house garden window door road bridge mountain lake forest flower bird fish
    horse dog cat sheep moon star sun rain snow wind fire light shadow paper letter word song story game
    city street market train ship plane wheel engine bell glass silver gold iron sugar salt milk honey
    tea coffee
    """
)
ADJECTIVES: Final = _words(
    """
    red green blue small large old new quiet fast slow warm cold happy bright dark soft sweet round tall
    """
)
VERBS: Final = _words(
    "get find read check fetch load show query list set send run make open start look scan track"
)
JOBS: Final = _words("teacher doctor farmer baker pilot nurse lawyer painter singer driver engineer cook")
MONTHS: Final = _words(
    "January February March April May June July August September October November December"
)
DAYS: Final = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")

_ONSETS: Final = _words("b c d f g h j k l m n p r s t v w z br cr dr fl gr kl pl sk sl st tr sh ch th")
_NUCLEI: Final = _words("a e i o u")
_CODAS: Final = ("", "", "", "n", "r", "l", "s", "x", "m")


def pseudo_word(rng: random.Random, syllables: int | None = None) -> str:
    """A word that does not exist, such as "velmora"."""
    count = syllables or rng.choice((2, 2, 2, 3))
    return "".join(rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS) for _ in range(count))


def any_word(rng: random.Random) -> str:
    """A common word, or now and then one that does not exist."""
    return pseudo_word(rng) if rng.random() < 0.3 else rng.choice(NOUNS + ADJECTIVES + VERBS + ITEMS)
