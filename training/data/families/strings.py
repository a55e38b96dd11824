"""Copying and reversing what the prompt says."""

from __future__ import annotations

from typing import Final

from ..draw import Draw, user
from ..sample import Expect, Sample
from ..words import NAMES, NOUNS, any_word

COPYING: Final = (
    "Repeat this: {t}", "Say this: {t}", "Copy this text: {t}", "Please repeat: {t}",
    "Write exactly this: {t}", "Repeat after me: {t}", 'Say "{t}".', 'Repeat "{t}".', 'Write "{t}".',
    "Copy: {t}", "Echo this: {t}", "Print this: {t}", "Give me this back: {t}",
    "Answer with exactly this text: {t}", "Say the following: {t}", "Type this: {t}",
    "Your answer must be: {t}", "Can you repeat this? {t}", "Return this text unchanged: {t}",
    "Say only this: {t}", "Please copy this: {t}", "Repeat the following: {t}", 'Please say "{t}".',
    "Write this text: {t}", "Echo: {t}",
)  # fmt: skip


def _any_part(draw: Draw) -> str:
    kind = draw.rng.random()
    if kind < 0.7:
        return any_word(draw.rng)
    return draw.one(NAMES) if kind < 0.85 else str(draw.rng.randint(0, 999))


def _some_text(draw: Draw) -> str:
    """A few words, names and numbers, of this split."""

    def make() -> str:
        words = [_any_part(draw) for _ in range(draw.rng.randint(1, 9))]
        return " ".join(words) + draw.one(("", "", "", ".", "!"))

    return draw.new(make)


def copying(draw: Draw) -> Sample:
    text = _some_text(draw)
    reasoning = draw.reason(
        "Copy the text.",
        "The user wants the text back, unchanged.",
        f"The user wants a text back, unchanged. It begins with {text.split()[0]}. I copy it word by word.",
    )
    prompt = [*draw.head(), user(draw.template(COPYING).replace("{t}", text))]
    return draw.answered("copying", prompt, reasoning, text, Expect(equals=text))


# Words in another order, letters of a known word, or letters one by one.
REVERSING: Final = (
    "words|Reverse the order of these words: {t}", "words|Write these words in reverse order: {t}",
    "words|Reverse: {t}", "words|Say these words backwards: {t}",
    "words|Put these words in the opposite order: {t}", "words|Turn this list around: {t}",
    "words|Read this list from the end: {t}", "words|List these words from last to first: {t}",
    "letters|Reverse the letters of {t}.", "letters|Write {t} backwards.", "letters|Spell {t} backwards.",
    "letters|How do you write {t} backwards?", "letters|What is {t} backwards?",
    "letters|Reverse the word {t}.", "letters|Turn the word {t} around.",
    "letters|Can you spell {t} in reverse?", "spaced|Reverse these letters: {t}",
    "spaced|Write these letters in reverse order: {t}", "spaced|Say these letters backwards: {t}",
    "words|Please reverse the order of these words: {t}", "words|Say this list backwards: {t}",
    "letters|Please spell {t} backwards.", "letters|Reverse the letters of the word {t}.",
    "spaced|Please reverse these letters: {t}",
)  # fmt: skip


def reversing(draw: Draw) -> Sample:
    kind, _, template = draw.template(REVERSING).partition("|")
    if kind == "words":
        text = draw.new(lambda: " ".join(draw.some(NOUNS, 2, 5)))
        parts = text.split()
    elif kind == "letters":
        text = draw.one(NOUNS)
        parts = list(text)
    else:
        text = draw.new(
            lambda: " ".join(draw.rng.choices("abcdefghijklmnopqrstuvwxyz", k=draw.rng.randint(3, 6)))
        )
        parts = text.split()
    turned = parts[::-1]
    final = "".join(turned) if kind == "letters" else " ".join(turned)
    numbered = [f"{number} {part}" for number, part in enumerate(parts, 1)]
    listed, backwards = ", ".join(numbered), ", ".join(numbered[::-1])
    reasoning = draw.reason(
        f"{listed}. {backwards}.",
        f"In order: {listed}. Backwards: {backwards}.",
        f"The user wants the opposite order. In order: {listed}. These are {len(parts)} parts. "
        f"I start with the last one, {turned[0]}. Backwards: {backwards}.",
    )
    prompt = [*draw.head(), user(template.replace("{t}", text))]
    return draw.answered("reversing", prompt, reasoning, final, Expect(equals=final))
