"""Kinds of facts: how each is asked for and answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from . import fact_tables as tables


def with_article(noun: str) -> str:
    """ "an owl", "a dog"."""
    return f"{'an' if noun[:1].lower() in set('aeiou') else 'a'} {noun}"


@dataclass(frozen=True)
class Relation:
    """One kind of fact.

    nouns: noun phrases that ask for the answer; {x} is the subject, {ax} has its article. The first one is
        used in the reasoning.
    sentence: the answer, with {y}, or {ay} with its article.
    questions: whole questions that are natural for this kind only.
    wh: the question word before a noun phrase. follow: the subject as it stands in "And {follow}?".
    """

    key: str
    nouns: tuple[str, ...]
    sentence: str
    table: str
    questions: tuple[str, ...] = ()
    wh: str = "What"
    follow: str = "{x}"

    def fill(self, text: str, subject: str, answer: str = "") -> str:
        """`text` with its slots filled."""
        return text.format(x=subject, ax=with_article(subject), y=answer, ay=with_article(answer))

    def pairs(self) -> Iterator[tuple[str, str]]:
        """(subject, answer) of every fact."""
        for entry in self.table.split(";"):
            subject, _, answer = entry.strip().partition(": ")
            yield subject, answer


@dataclass(frozen=True)
class Fact:
    """A subject, its answer, and the relation between them."""

    relation: Relation
    subject: str
    answer: str

    @property
    def sentence(self) -> str:
        """The answer as a sentence that begins with a capital letter."""
        text = self.relation.fill(self.relation.sentence, self.subject, self.answer)
        return text[0].upper() + text[1:]

    @property
    def noun(self) -> str:
        """What is asked for, as in the reasoning."""
        return self.relation.fill(self.relation.nouns[0], self.subject)


RELATIONS: Final = (
    Relation(
        "capital",
        ("the capital of {x}", "the capital city of {x}", "{x}'s capital", "{x}'s capital city"),
        "the capital of {x} is {y}.",
        tables.CAPITALS,
        ("Which city is the capital of {x}?", "What city is the capital of {x}?"),
        follow="of {x}",
    ),
    Relation(
        "continent",
        ("the continent of {x}", "the continent that {x} is in", "the continent where {x} lies"),
        "{x} is in {y}.",
        tables.CONTINENTS,
        ("Which continent is {x} in?", "On which continent is {x}?", "Where is {x}?"),
    ),
    Relation(
        "language",
        ("the main language of {x}", "the language spoken in {x}", "the language of {x}"),
        "the main language of {x} is {y}.",
        tables.LANGUAGES,
        ("Which language do people speak in {x}?", "What language is spoken in {x}?"),
        follow="of {x}",
    ),
    Relation(
        "currency",
        ("the currency of {x}", "{x}'s currency", "the money used in {x}"),
        "the currency of {x} is {y}.",
        tables.CURRENCIES,
        ("How do people pay in {x}?", "Which money is used in {x}?"),
        follow="of {x}",
    ),
    Relation(
        "colour",
        ("the color of {x}", "the colour of {x}", "the usual color of {x}"),
        "the color of {x} is {y}.",
        tables.COLOURS,
        ("What color is {x}?", "What colour is {x}?", "Which color does {x} have?"),
        follow="of {x}",
    ),
    Relation(
        "young",
        ("the young of {ax}", "the name for a baby {x}", "the word for a young {x}"),
        "the young of {ax} is called {ay}.",
        tables.YOUNG,
        ("What is a baby {x} called?", "What do you call a baby {x}?", "What is a young {x} called?"),
        follow="of {ax}",
    ),
    Relation(
        "home",
        ("the home of {ax}", "the name of the place where {ax} lives", "{ax}'s home"),
        "the home of {ax} is called {ay}.",
        tables.HOMES,
        ("Where does {ax} live?", "In what does {ax} live?"),
        follow="of {ax}",
    ),
    Relation(
        "sound",
        ("the sound of {ax}", "the sound that {ax} makes", "the word for the sound of {ax}"),
        "the sound of {ax} is called {y}.",
        tables.SOUNDS,
        ("What sound does {ax} make?", "Which sound does {ax} make?"),
        follow="of {ax}",
    ),
    Relation(
        "opposite",
        ("the opposite of {x}", 'the opposite of "{x}"', "the antonym of {x}", "the contrary of {x}"),
        "the opposite of {x} is {y}.",
        tables.OPPOSITES,
        ("Which word is the opposite of {x}?", "Which word means the opposite of {x}?"),
        follow="of {x}",
    ),
    Relation(
        "symbol",
        ("the chemical symbol for {x}", "the symbol of {x}", "the symbol for the element {x}"),
        "the chemical symbol for {x} is {y}.",
        tables.SYMBOLS,
        ("Which symbol stands for {x}?", "How is {x} written in chemistry?"),
        follow="for {x}",
    ),
    Relation(
        "author",
        ("the author of {x}", "the writer of {x}", "the person who wrote {x}"),
        "the author of {x} is {y}.",
        tables.AUTHORS,
        ("Who wrote {x}?", "Which author wrote {x}?"),
        wh="Who",
        follow="of {x}",
    ),
    Relation(
        "count",
        ("the number of {x}", "the total number of {x}", "the count of {x}"),
        "the number of {x} is {y}.",
        tables.COUNTS,
        ("How many {x} are there?", "How many {x}?"),
        follow="of {x}",
    ),
    Relation(
        "after",
        ("the one after {x}", "the day or month after {x}", "the one that follows {x}"),
        "{y} comes after {x}.",
        tables.AFTER,
        ("What comes after {x}?", "What follows {x}?"),
        follow="after {x}",
    ),
    Relation(
        "before",
        ("the one before {x}", "the day or month before {x}", "the one that precedes {x}"),
        "{y} comes before {x}.",
        tables.BEFORE,
        ("What comes before {x}?", "What precedes {x}?"),
        follow="before {x}",
    ),
    Relation(
        "place",
        ("the place of {x} from the Sun", "the position of {x} counted from the Sun"),
        "{x} is the {y} planet from the Sun.",
        tables.PLACES,
        ("Which planet from the Sun is {x}?",),
        follow="of {x}",
    ),
    Relation(
        "past",
        ("the past tense of {x}", 'the past tense of "{x}"', "the simple past of {x}"),
        "the past tense of {x} is {y}.",
        tables.PASTS,
        ("How do you say {x} in the past tense?",),
        follow="of {x}",
    ),
    Relation(
        "plural",
        ("the plural of {x}", 'the plural of "{x}"', "the plural form of {x}"),
        "the plural of {x} is {y}.",
        tables.PLURALS,
        ("How do you write more than one {x}?",),
        follow="of {x}",
    ),
    Relation(
        "maker",
        ("the person behind {x}", "the person known for {x}", "the name behind {x}"),
        "the person known for {x} is {y}.",
        tables.INVENTORS,
        ("Whom do we owe {x}?",),
        wh="Who",
        follow="of {x}",
    ),
)

FACTS: Final = tuple(Fact(relation, *pair) for relation in RELATIONS for pair in relation.pairs())
