"""Sums, differences, products, word problems and counting, with visible steps in the reasoning."""

from __future__ import annotations

from typing import Final

from ..draw import Draw, capitalized, user
from ..sample import Expect, Sample
from ..words import ITEMS, NAMES, NOUNS, any_word

_EXPRESSIONS: Final = {
    "+": ("{a} + {b}", "{a} plus {b}", "the sum of {a} and {b}", "{a}+{b}", "{a} and {b} added together"),
    "-": ("{a} - {b}", "{a} minus {b}", "the difference of {a} and {b}", "{a}-{b}", "{a} take away {b}"),
    "*": ("{a} * {b}", "{a} times {b}", "the product of {a} and {b}", "{a} x {b}", "{a} multiplied by {b}"),
}
# {e} is an expression such as "3 plus 4".
CARRIERS: Final = (
    "What is {e}?", "What is {e}?", "Compute {e}.", "Calculate {e}.", "How much is {e}?", "{E}?", "{E}",
    "{E} =", "Tell me {e}.", "Please compute {e}.", "Can you calculate {e}?", "What does {e} give?",
    "I need {e}.", "Work out {e}.", "What do I get for {e}?", "Solve {e}.", "Find {e}.", "Do you know {e}?",
    "{E}, please.", "What is the result of {e}?", "Give me {e}.", "Help me with {e}.",
    "Please work out {e}.", "Can you tell me {e}?", "What do you get for {e}?", "Calculate {e}, please.",
    "How much do I get for {e}?",
)  # fmt: skip


def _operands(draw: Draw, sign: str) -> tuple[int, int]:
    top = 10 if sign == "*" else 20
    a, b = draw.rng.randint(0, top), draw.rng.randint(0, top)
    return (max(a, b), min(a, b)) if sign == "-" else (a, b)


def result(a: int, sign: str, b: int) -> int:
    """The value of an expression."""
    return {"+": a + b, "-": a - b, "*": a * b}[sign]


def _steps(a: int, sign: str, b: int) -> str:
    """How to compute it by hand; empty where it is known by heart."""
    if sign in "+-" and 10 < b < 20:
        middle = result(a, sign, 10)
        return f"{a} {sign} 10 = {middle}. {middle} {sign} {b - 10} = {result(a, sign, b)}."
    if sign == "*" and a > 1 and b > 1:
        return f"{b} times {a}: {', '.join(str(a * i) for i in range(1, b + 1))}."
    return ""


def _check(a: int, sign: str, b: int) -> str:
    value = result(a, sign, b)
    if sign == "*":
        return f"Check: {b} * {a} = {value}."
    return f"Check: {value} - {b} = {a}." if sign == "+" else f"Check: {value} + {b} = {a}."


def _reasoning(draw: Draw, a: int, sign: str, b: int) -> str | None:
    whole = f"{a} {sign} {b} = {result(a, sign, b)}."
    steps = _steps(a, sign, b)
    worked = f"{steps} " if steps else ""
    return draw.reason(
        worked + whole,
        f"I compute {a} {sign} {b}. {worked}{whole}",
        f"The user wants to know {a} {sign} {b}. I go step by step. {worked}{whole} {_check(a, sign, b)}",
    )


def arithmetic(draw: Draw) -> Sample:
    sign = draw.one("++-*")
    a, b = _operands(draw, sign)
    expression = draw.one(_EXPRESSIONS[sign]).format(a=a, b=b)
    text = draw.template(CARRIERS).replace("{e}", expression).replace("{E}", capitalized(expression))
    final = f"{a} {sign} {b} = {result(a, sign, b)}"
    prompt = [*draw.head(), user(draw.polite(text))]
    return draw.answered("arithmetic", prompt, _reasoning(draw, a, sign, b), final, Expect(equals=final))


# The sign of the sum, then the story; {n} {m} are names, {i} is a thing.
PROBLEMS: Final = (
    "+|{n} has {a} {i}s and buys {b} more. How many {i}s does {n} have?",
    "+|{n} has {a} {i}s. {m} has {b} {i}s. How many do they have together?",
    "+|There are {a} {i}s on the table. {n} adds {b}. How many are there now?",
    "+|{n} finds {a} {i}s, then {b} more. How many in all?",
    "+|{n} reads {a} pages today and {b} pages tomorrow. How many pages is that?",
    "+|A shop sells {a} {i}s in the morning and {b} {i}s in the evening. How many in total?",
    "+|{n} is {a} years old. How old will {n} be in {b} years?",
    "+|{n} had {a} {i}s and got {b} from {m}. How many does {n} have now?",
    "-|{n} has {a} {i}s and gives {b} away. How many are left?",
    "-|{n} had {a} {i}s and lost {b}. How many does {n} still have?",
    "-|There are {a} {i}s. {n} takes {b} of them. How many remain?",
    "-|{n} has {a} dollars and spends {b}. How many dollars are left?",
    "-|A box holds {a} {i}s. {b} are broken. How many are fine?",
    "-|{n} gives {b} of {a} {i}s to {m}. How many {i}s are left?",
    "-|{n} is {a} and {m} is {b} years younger. How old is {m}?",
    "*|{n} has {a} boxes with {b} {i}s each. How many {i}s are that?",
    "*|One {i} costs {a} dollars. How much do {b} {i}s cost?",
    "*|{n} buys {a} bags with {b} {i}s each. How many {i}s did {n} buy?",
    "*|There are {a} rooms with {b} {i}s in each. How many {i}s are in all rooms?",
    "*|{a} people have {b} {i}s each. How many {i}s do they have?",
    "+|{n} buys {a} {i}s and finds {b} more. How many {i}s does {n} have?",
    "+|{n} has {a} {i}s and {m} has {b}. How many {i}s do they have together?",
    "-|{n} had {a} {i}s and gave {b} to {m}. How many are left?",
    "-|There are {a} {i}s and {n} takes {b}. How many are left?",
    "*|There are {a} boxes with {b} {i}s each. How many {i}s are there?",
)


def word_problem(draw: Draw) -> Sample:
    sign, _, text = draw.template(PROBLEMS).partition("|")
    a, b = _operands(draw, sign)
    n, m = draw.rng.sample(NAMES, 2)
    item = draw.one([item for item in ITEMS if not item.endswith(("x", "fe"))])
    value = result(a, sign, b)
    final = f"The answer is {value}."
    prompt = [*draw.head(), user(text.format(a=a, b=b, n=n, m=m, i=item))]
    return draw.answered("word_problem", prompt, _reasoning(draw, a, sign, b), final, Expect(equals=final))


# What is counted, then how it is asked: numbers from {a} to {b}, words {w}, letters of {w}.
COUNTING: Final = (
    "range|Count from {a} to {b}.", "range|Please count from {a} up to {b}.",
    "range|List the numbers from {a} to {b}.", "range|Write all numbers from {a} to {b}.",
    "range|Can you count from {a} to {b}?", "range|Numbers from {a} to {b}, please.",
    "words|How many words are these: {w}?", "words|Count the words: {w}",
    "words|How many words are in this list: {w}?", "words|How many things are these: {w}?",
    "words|Count these words: {w}", "words|What is the number of words here: {w}?",
    "letters|How many letters are in the word {w}?", "letters|Count the letters of {w}.",
    "letters|How many letters does {w} have?", "letters|What is the number of letters in {w}?",
    "letters|How long is the word {w}?", "letters|Tell me how many letters {w} has.",
    "range|Please list the numbers from {a} to {b}.", "range|Count up from {a} to {b}.",
    "words|Please count the words: {w}", "letters|Please count the letters of {w}.",
    "letters|How many letters are in {w}?",
)  # fmt: skip


def counting(draw: Draw) -> Sample:
    kind, _, text = draw.template(COUNTING).partition("|")
    a = draw.rng.randint(0, 30)
    b = a + draw.rng.randint(2, 9)
    if kind == "range":
        final = ", ".join(map(str, range(a, b + 1)))
        asked, steps = f"the numbers from {a} to {b}", f"{a} is the first, {b} the last."
    else:
        is_words = kind == "words"
        parts = (
            [any_word(draw.rng) for _ in range(draw.rng.randint(2, 9))] if is_words else list(draw.one(NOUNS))
        )
        text = text.replace("{w}", ", ".join(parts) if is_words else "".join(parts))
        asked = "the number of words" if is_words else f"the number of letters in {''.join(parts)}"
        steps = f"{', '.join(f'{i} {part}' for i, part in enumerate(parts, 1))}."
        final = f"{len(parts)} {kind}"
    reasoning = draw.reason(
        steps,
        f"The user wants {asked}. {steps}",
        f"The user wants {asked}. I count one by one, so that I miss nothing. {steps} Done: {final}.",
    )
    prompt = [*draw.head(), user(draw.polite(text.format(a=a, b=b)))]
    return draw.answered("counting", prompt, reasoning, final, Expect(equals=final))
