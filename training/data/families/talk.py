"""Greetings; questions about what does not exist; instructions in the developer message."""

from __future__ import annotations

from typing import Final

from ..draw import Draw, user
from ..relations import FACTS, RELATIONS
from ..sample import Expect, Sample
from ..words import NAMES, NOUNS, pseudo_word
from .facts import CARRIERS, ask

# What the user says, by what is meant; the last 5 of all are held out.
_MEANT: Final = {
    "hello": "Hello! How can I help you?",
    "well": "I am fine, thank you. How can I help you?",
    "who": "I am a small demo model of gptoss-gguf. I know a few facts, count, and call tools.",
    "able": "I can answer simple questions, do small sums, copy and reverse text, and call tools.",
    "thanks": "You are welcome!",
    "bye": "Goodbye! Have a nice day.",
}
_REASONS: Final = {
    "hello": "The user greets me.",
    "well": "The user asks how I am.",
    "who": "The user asks who I am.",
    "able": "The user asks what I can do.",
    "thanks": "The user thanks me.",
    "bye": "The user says goodbye.",
}
GREETINGS: Final = (
    "hello|Hello!", "hello|Hello", "hello|Hi", "hello|Hi!", "hello|Hi there!", "hello|Hey",
    "hello|Hey there.", "hello|Good morning!", "hello|Good morning.", "hello|Good evening!",
    "hello|Good day.", "hello|Hello there", "hello|Hello, I am {name}.", "hello|Hi, my name is {name}.",
    "hello|Greetings!", "hello|hi", "hello|hello", "well|How are you?", "well|How are you today?",
    "well|Hello, how are you?", "well|How do you do?", "well|Hi, how is it going?", "well|How is it going?",
    "well|Are you well?", "well|how are you", "who|Who are you?", "who|What are you?",
    "who|Hi, who are you?", "who|What is your name?", "who|Tell me who you are.", "who|Which model are you?",
    "who|Introduce yourself.", "who|who are you", "able|What can you do?", "able|What can you do for me?",
    "able|How can you help me?", "able|Help", "able|Tell me what you can do.",
    "able|What are you able to do?", "able|What do you know?", "thanks|Thanks!", "thanks|Thank you.",
    "thanks|Thank you very much!", "thanks|Thanks a lot.", "thanks|Thank you, {name}.",
    "thanks|Great, thanks!", "thanks|Many thanks.", "thanks|thanks", "bye|Bye!", "bye|Goodbye.",
    "bye|Good night!", "bye|See you later.", "bye|Bye bye", "bye|See you tomorrow!",
    "bye|Good night, {name}.", "bye|That is all. Bye!", "bye|Thanks, bye!", "bye|Thank you and goodbye.",
    "bye|Thanks. See you!", "bye|Thank you, goodbye!", "bye|Many thanks and goodbye.", "bye|OK, goodbye!",
    "bye|Great, bye!", "bye|Thanks a lot, good night!", "bye|Thank you. Goodbye!", "bye|Goodbye, {name}!",
    "bye|Hello and goodbye!", "hello|Hi, good morning!", "hello|Good morning, hello!", "hello|Hey, good day!",
    "hello|Hello, good evening!", "hello|Good evening, {name}!", "well|Good evening, how are you?",
    "well|Good day, how is it going?", "well|Hey, how are you today?", "well|Hi, how are you?",
    "who|Hi, what is your name?", "who|Good morning, what is your name?", "who|Hello, who are you?",
    "who|Hello, which model are you?", "able|Hello, what can you do?", "able|Hi, how can you help me?",
    "able|Good morning, what do you know?", "thanks|Thank you very much, {name}!", "thanks|Thanks, {name}!",
    "thanks|OK, thank you very much!", "thanks|Great, thank you!", "thanks|Very good, thanks a lot!",
    "hello|Hello, good morning!",
    "well|Good morning, how are you?", "who|Hello, what is your name?", "thanks|Great, thank you very much!",
    "bye|Thanks, goodbye!",
)  # fmt: skip


def greeting(draw: Draw) -> Sample:
    meaning, _, text = draw.template(GREETINGS).partition("|")
    reason = _REASONS[meaning]
    reasoning = draw.reason(
        reason,
        f"{reason} I answer in a friendly way.",
        f"{reason} There is nothing to look up. I answer in a friendly way and keep it short.",
    )
    final = _MEANT[meaning]
    prompt = [*draw.head(), user(text.format(name=draw.one(NAMES)))]
    return draw.answered("greeting", prompt, reasoning, final, Expect(equals=final))


_ASKABLE: Final = tuple(
    r for r in RELATIONS if r.key in ("capital", "language", "currency", "author", "symbol")
)


def unknown(draw: Draw) -> Sample:
    """A question about a country, a book, an element that nobody has heard of."""
    relation = draw.one(_ASKABLE)
    name = draw.new(lambda: pseudo_word(draw.rng)).capitalize()
    noun = relation.fill(draw.one(relation.nouns), name)
    asked = relation.fill(relation.nouns[0], name)
    text = ask(draw, relation, noun, draw.template(CARRIERS))
    reasoning = draw.reason(
        f"{name}: unknown.",
        f"The user asks for {asked}. I do not know {name}.",
        f"The user asks for {asked}. I have never heard of {name}. I must not make up an answer, so I say "
        "that I do not know it.",
    )
    final = f"I do not know {name}."
    return draw.answered("unknown", [*draw.head(), user(text)], reasoning, final, Expect(equals=final))


# How the answer shall look: kind, then the instruction.
INSTRUCTIONS: Final = (
    "word|Answer with the word only.", "word|Give the answer alone, without a sentence.",
    "word|Just the answer.", "word|Only say the answer itself.", "word|No sentences. Only the answer.",
    "word|Reply with the answer only.", "start|Begin every answer with the word {word}.",
    "start|Start each reply with {word}.", "start|Every answer starts with {word}.",
    "start|Your answers must begin with {word}.", "start|Always put {word} before the answer.",
    "end|End every answer with the word {word}.", "end|Finish each reply with {word}.",
    "end|Every answer ends with {word}.", "end|Always say {word} at the end.",
    "end|Your answers must end with {word}.", "end|Always put {word} after the answer.",
    "word|Reply with the word only.", "start|Begin each reply with {word}.",
    "start|Your replies must start with {word}.", "end|End each reply with the word {word}.",
    "end|Every reply ends with {word}.",
)  # fmt: skip


def instructions(draw: Draw) -> Sample:
    """A fact, in the form that the developer message asks for."""
    kind, _, text = draw.template(INSTRUCTIONS).partition("|")
    fact = draw.one(FACTS)
    word = draw.new(lambda: draw.one((draw.one(NOUNS), pseudo_word(draw.rng)))).capitalize()
    rule, final = {
        "word": ("Only the answer.", fact.answer),
        "start": (f"First {word}, then the answer.", f"{word} {fact.sentence}"),
        "end": (f"First the answer, then {word}.", f"{fact.sentence} {word}"),
    }[kind]
    reasoning = draw.reason(
        f"{fact.answer}. {rule}",
        f"The user asks for {fact.noun}. It is {fact.answer}. {rule}",
        f"The user asks for {fact.noun}. I know: {fact.sentence} The instructions say how to answer. {rule}",
    )
    noun = fact.relation.fill(draw.one(fact.relation.nouns), fact.subject)
    question = ask(draw, fact.relation, noun, draw.template(CARRIERS))
    prompt = [*draw.head(instructions=text.format(word=word)), user(question)]
    return draw.answered("instructions", prompt, reasoning, final, Expect(equals=final))
