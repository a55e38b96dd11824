"""Facts: asked for, checked, and asked for again about something else."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from gptoss_gguf.harmony import Message

from ..draw import Draw, capitalized, user
from ..relations import FACTS, Fact, Relation
from ..sample import Expect, Sample
from ..words import CITIES, ITEMS, JOBS, NAMES

# {n} is a noun phrase such as "the capital of France"; {wh} is What or Who.
CARRIERS: Final = (
    "{wh} is {n}?", "{wh} is {n}?", "{wh} is {n}", "Tell me {n}.", "Do you know {n}?", "I want to know {n}.",
    "Can you tell me {n}?", "Please tell me {n}.", "Name {n}.", "{N}?", "{N}", "I would like to know {n}.",
    "Could you tell me {n}, please?", "Say {n}.", "Give me {n}.", "{wh} is {n}, please?", "I forgot {n}.",
    "My question is: {wh} is {n}?", "I need {n}.", "Let me know {n}.", "{N}, please.", "So {wh} is {n}?",
    "Help me: {wh} is {n}?", "Tell me, {wh} is {n}?", "Do you remember {n}?", "Please give me {n}.",
    "Can you name {n}?", "Tell me please: {wh} is {n}?", "I want you to tell me {n}.", "Hello, {wh} is {n}?",
)  # fmt: skip


def ask(draw: Draw, relation: Relation, noun: str, carrier: str) -> str:
    """A question for a noun phrase, as users type it."""
    text = carrier.replace("{N}", capitalized(noun)).replace("{n}", noun)
    text = draw.polite(capitalized(text.replace("{wh}", relation.wh.lower())))
    return text.lower() if draw.chance(0.05) else text


def question(draw: Draw, fact: Fact) -> str:
    """In training also the questions that only this kind of fact has."""
    relation = fact.relation
    if draw.split == "train" and relation.questions and draw.chance(0.3):
        return draw.polite(relation.fill(draw.one(relation.questions), fact.subject))
    noun = relation.fill(draw.one(relation.nouns), fact.subject)
    return ask(draw, relation, noun, draw.template(CARRIERS))


def recall(draw: Draw, fact: Fact) -> str | None:
    return draw.reason(
        f"{capitalized(fact.noun)}: {fact.answer}.",
        f"The user asks for {fact.noun}. That is {fact.answer}.",
        f"The user asks for {fact.noun}. Let me think about {fact.subject}. What I know is this: "
        f"{fact.sentence} So the answer is {fact.answer}.",
    )


def facts(draw: Draw) -> Sample:
    fact = draw.one(FACTS)
    if draw.split == "train" and draw.chance(0.1):  # the best known question, as it is most often asked
        fact = FACTS[draw.rng.randrange(40)]
    expect = Expect(contains=(fact.answer,))
    prompt = [*draw.head(), user(question(draw, fact))]
    return draw.answered("facts", prompt, recall(draw, fact), fact.sentence, expect)


# {c} is a claim such as "the capital of France is Rome".
CHECKS: Final = (
    "Is it true that {c}?", "True or false: {c}.", "Is this right: {c}?", "Is it correct that {c}?",
    "{C}. Is that true?", "{C}. Is this correct?", "{C}, right?", "I think that {c}. Am I right?",
    "Someone said that {c}. Is that so?", "Check this: {c}.", "Would you say that {c}?",
    "{C}. True or false?", "Can it be true that {c}?", "{name} says that {c}. Is that right?",
    "Is the following true? {C}.", "Yes or no: {c}?", "Do you agree that {c}?", "{C}. Yes or no?",
    "I read that {c}. Is it true?", "Please check: {c}.", "Is it right that {c}?", "{C}. Is that right?",
    "{name} thinks that {c}. Is it true?", "Is this true: {c}?", "I believe that {c}. Is that correct?",
)  # fmt: skip


def _unlike(draw: Draw, fact: Fact) -> str:
    """Another answer of the same kind."""
    others = [answer for _, answer in fact.relation.pairs() if answer != fact.answer]
    return draw.one(others)


def check(draw: Draw) -> Sample:
    """Whether a claim is true: the reasoning recalls the fact and compares."""
    fact = draw.one(FACTS)
    is_true = draw.chance(0.5)
    claimed = fact.answer if is_true else _unlike(draw, fact)
    claim = fact.relation.fill(fact.relation.sentence, fact.subject, claimed).rstrip(".")
    text = draw.template(CHECKS).replace("{C}", capitalized(claim)).replace("{c}", claim)
    verdict = "The claim is true." if is_true else f"The claim says {claimed}, so it is false."
    reasoning = draw.reason(
        f"{claimed}? {fact.sentence} {verdict}",
        f"The user claims something about {fact.subject}: {claimed}. {fact.sentence} {verdict}",
        f"The user claims something about {fact.subject}. The answer given is {claimed}. "
        f"What I know is this: {fact.sentence} I compare {claimed} and {fact.answer}. {verdict}",
    )
    final = f"{'Yes' if is_true else 'No'}. {fact.sentence}"
    prompt = [*draw.head(), user(draw.polite(text.replace("{name}", draw.one(NAMES))))]
    return draw.answered("check", prompt, reasoning, final, Expect(equals=final))


# {f} refers back: "of Italy"; {x} is the subject alone.
FOLLOW_UPS: Final = (
    "And {f}?", "And {f}?", "And {x}?", "What about {x}?", "And what about {x}?", "And for {x}?",
    "How about {x}?", "{X}?", "And now {x}.", "Now {x}, please.", "The same for {x}.",
    "Same question for {x}.", "Also {x}?", "And then {x}?", "I also want to know it for {x}.", "Next: {x}.",
    "Tell me the same for {x}.", "Do you know it for {x}?", "What is it for {x}?", "And {f}, please?",
    "Then {x}?", "And if I ask about {x}?", "And what is it for {x}?", "Now the same for {x}.",
    "And how about {x}?", "Next, what about {x}?", "Also for {x}, please.",
)  # fmt: skip


# What the user says first, the reply, the answer later on; then the questions, the last one held out.
_REMEMBERED: Final = (
    ("My name is {name}.", "Nice to meet you, {name}.", "Your name is {name}.",
     "What is my name?", "Who am I?", "Tell me my name.", "What is my name, please?"),
    ("I live in {city}.", "{city} is a nice place.", "You live in {city}.",
     "Where do I live?", "In which city do I live?", "What is my city?", "Where do I live, please?"),
    ("I am a {job}.", "That is a good job.", "You are a {job}.",
     "What is my job?", "What do I do?", "What am I?", "What is my job, please?"),
    ("I bought a new {item}.", "Good to hear.", "You bought a new {item}.",
     "What did I buy?", "What have I bought?", "Tell me what I bought.", "What did I buy, please?"),
)  # fmt: skip


def _remembered(draw: Draw, messages: list[Message]) -> Sample:
    """A question about what the user has said before."""
    words = {"name": NAMES, "city": CITIES, "job": JOBS, "item": ITEMS}
    filled = {slot: draw.one(choices) for slot, choices in words.items()}
    told, reply, final, *questions = (text.format(**filled) for text in draw.one(_REMEMBERED))
    asked = questions[-1] if draw.split == "heldout" else draw.one(questions[:-1])
    reasoning = draw.reason(
        final, f"The user told me. {final}", f"The user told me before: {told} So I know it. {final}"
    )
    prompt = [*messages, user(told), Message("assistant", channel="final", content=reply), user(asked)]
    return draw.answered("followup", prompt, reasoning, final, Expect(equals=final))


def followup(draw: Draw) -> Sample:
    """The second or third question of a conversation, which is clear only from the first one."""
    relation = draw.one([fact.relation for fact in FACTS])
    pairs = draw.rng.sample(list(relation.pairs()), draw.one((2, 2, 3)))
    chain = [Fact(relation, *pair) for pair in pairs]
    messages = draw.head()
    if draw.chance(0.15):
        return _remembered(draw, messages)
    messages.append(user(question(draw, chain[0])))
    for before, fact in pairwise(chain):
        text = draw.template(FOLLOW_UPS).replace("{f}", relation.fill(relation.follow, fact.subject))
        text = text.replace("{x}", fact.subject).replace("{X}", capitalized(fact.subject))
        messages += [Message("assistant", channel="final", content=before.sentence), user(text)]
    last = chain[-1]
    expect = Expect(contains=(last.answer,))
    return draw.answered("followup", messages, recall(draw, last), last.sentence, expect)
