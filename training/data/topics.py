"""What tools are for: how users ask, what the parameters are, what comes back, and how that is told."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .words import ADJECTIVES, CITIES, DAYS, ITEMS, NAMES, NOUNS, any_word, pseudo_word

Rng = random.Random
_LANGUAGES: Final = ("French", "German", "Spanish", "Italian", "Polish", "Greek", "Turkish")
_MONEY: Final = ("dollars", "euros", "yen", "pesos")
_ROOMS: Final = ("kitchen", "bedroom", "garden", "office", "bathroom", "garage")


@dataclass(frozen=True)
class Parameter:
    """slot: its name in phrases. names: names in the schema. schema: JSON Schema. make: draws a value."""

    slot: str
    names: tuple[str, ...]
    schema: Mapping[str, Any]
    make: Callable[[Rng], Any]
    about: str = ""


@dataclass(frozen=True)
class Topic:
    """One thing that a tool can do.

    names: words for its name. about: descriptions. tasks: what the user wants, after "Please ".
    questions: the same as questions. result: what comes back. answer: the result, told, with slots of both.
    """

    names: tuple[str, ...]
    about: tuple[str, ...]
    tasks: tuple[str, ...]
    questions: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    result: Callable[[Rng], dict[str, Any]]
    answer: str


def _string(slot: str, names: str, words: tuple[str, ...], about: str = "") -> Parameter:
    return Parameter(slot, tuple(names.split()), {"type": "string"}, lambda rng: rng.choice(words), about)


def _enum(slot: str, names: str, words: tuple[str, ...], about: str = "") -> Parameter:
    schema = {"type": "string", "enum": list(words)}
    return Parameter(slot, tuple(names.split()), schema, lambda rng: rng.choice(words), about)


def _integer(slot: str, names: str, low: int, high: int, about: str = "") -> Parameter:
    return Parameter(
        slot, tuple(names.split()), {"type": "integer"}, lambda rng: rng.randint(low, high), about
    )


def _free(slot: str, names: str, about: str = "", most: int = 3) -> Parameter:
    def make(rng: Rng) -> str:
        return " ".join(any_word(rng) for _ in range(rng.randint(1, most)))

    return Parameter(slot, tuple(names.split()), {"type": "string"}, make, about)


def _name(slot: str, names: str, about: str = "") -> Parameter:
    def make(rng: Rng) -> str:
        return rng.choice(NAMES) if rng.random() < 0.7 else pseudo_word(rng).capitalize()

    return Parameter(slot, tuple(names.split()), {"type": "string"}, make, about)


def _city(
    slot: str = "city", names: str = "city location place", about: str = "Name of the city"
) -> Parameter:
    def make(rng: Rng) -> str:
        return rng.choice(CITIES) if rng.random() < 0.7 else pseudo_word(rng).capitalize()

    return Parameter(slot, tuple(names.split()), {"type": "string"}, make, about)


def order_code(rng: Rng) -> str:
    return f"{rng.choice('ABCDEFGHKLMNPRSTUVWXYZ')}{rng.randint(10, 99)}"


def _ok(_rng: Rng) -> dict[str, Any]:
    return {"status": "ok"}


_CODE: Final = Parameter(
    "code", ("order_id", "id", "order", "code"), {"type": "string"}, order_code, "Id of the order"
)

TOPICS: Final = (
    Topic(
        ("weather", "forecast"),
        (
            "Get the current weather of a city.",
            "Gets the weather in a given location.",
            "Weather of a place.",
        ),
        (
            "look up the weather in {city}",
            "tell me the weather in {city}",
            "find out how the weather is in {city}",
        ),
        (
            "What is the weather in {city}?",
            "How is the weather in {city}?",
            "What's the weather like in {city}?",
        ),
        (_city(),),
        lambda rng: {
            "temperature": rng.randint(-9, 35),
            "sky": rng.choice(("sunny", "cloudy", "rainy", "clear")),
        },
        "It is {temperature} degrees and {sky} in {city}.",
    ),
    Topic(
        ("time", "clock"),
        ("Get the current time of a city.", "Tells what time it is in a place.", "Local time of a city."),
        ("look up the time in {city}", "tell me what time it is in {city}", "find out the time in {city}"),
        ("What time is it in {city}?", "How late is it in {city}?"),
        (_city(),),
        lambda rng: {"time": f"{rng.randint(0, 23)}:{rng.randint(10, 59)}"},
        "It is {time} in {city}.",
    ),
    Topic(
        ("price", "cost"),
        ("Get the price of a product.", "Looks up what an article costs.", "Price of an item."),
        ("look up the price of a {item}", "find out what a {item} costs", "tell me the price of a {item}"),
        ("What does a {item} cost?", "How much is a {item}?"),
        (_string("item", "item product article", ITEMS, "Name of the product"),),
        lambda rng: {"price": rng.randint(1, 99), "currency": rng.choice(_MONEY)},
        "The price of a {item} is {price} {currency}.",
    ),
    Topic(
        ("convert", "exchange"),
        ("Convert an amount of money.", "Changes money into another currency.", "Currency converter."),
        ("convert {amount} {from} to {to}", "change {amount} {from} into {to}"),
        ("How much are {amount} {from} in {to}?", "What are {amount} {from} in {to}?"),
        (
            _integer("amount", "amount value", 1, 99, "How much"),
            _enum("from", "from source", _MONEY, "Currency to convert from"),
            _enum("to", "to target", _MONEY, "Currency to convert to"),
        ),
        lambda rng: {"result": rng.randint(1, 999)},
        "{amount} {from} are {result} {to}.",
    ),
    Topic(
        ("translate", "translation"),
        ("Translate a text.", "Translates words into another language.", "Translator."),
        ("translate {text} into {language}", "put {text} into {language}"),
        ("What is {text} in {language}?", "How do you say {text} in {language}?"),
        (
            _free("text", "text words", "Text to translate"),
            _string("language", "language target", _LANGUAGES),
        ),
        lambda rng: {"translation": f"{pseudo_word(rng)} {pseudo_word(rng)}"},
        "In {language} it is: {translation}.",
    ),
    Topic(
        ("send", "message", "mail"),
        ("Send a message to a person.", "Sends a text to somebody.", "Message sender."),
        ("send {name} the message {text}", "send the text {text} to {name}", "write {text} to {name}"),
        ("Can {name} get the message {text}?",),
        (
            _name("name", "to recipient receiver", "Who gets it"),
            _free("text", "text message body", "What to say"),
        ),
        _ok,
        "Done. {name} gets the message {text}.",
    ),
    Topic(
        ("timer", "alarm"),
        ("Start a timer.", "Sets a timer for some minutes.", "Kitchen timer."),
        ("set a timer for {minutes} minutes", "start a timer of {minutes} minutes"),
        ("Can I have a timer for {minutes} minutes?",),
        (_integer("minutes", "minutes duration length", 1, 60, "Minutes to wait"),),
        _ok,
        "Done. The timer is set to {minutes} minutes.",
    ),
    Topic(
        ("play", "music", "song"),
        ("Play music.", "Plays a song.", "Music player."),
        ("play the song {song}", "play {song}", "put on the song {song}"),
        ("Can I hear the song {song}?",),
        (_free("song", "song title track", "Title of the song"),),
        _ok,
        "Now playing: {song}.",
    ),
    Topic(
        ("book", "reserve", "table"),
        ("Book a table in a restaurant.", "Reserves a table.", "Table booking."),
        (
            "book a table for {people} in {city} on {day}",
            "reserve a table in {city} on {day} for {people} people",
        ),
        ("Is there a table for {people} in {city} on {day}?",),
        (
            _city(),
            _integer("people", "people guests count", 1, 12, "Number of people"),
            _enum("day", "day weekday", DAYS, "Day of the week"),
        ),
        lambda rng: {"status": "ok", "number": rng.randint(1, 99)},
        "Done. Table {number} in {city} is yours on {day}.",
    ),
    Topic(
        ("search", "find", "web"),
        ("Search the web.", "Searches for pages about something.", "Web search."),
        ("search the web for {query}", "search for {query}", "look for pages about {query}"),
        ("What does the web say about {query}?",),
        (_free("query", "query q search", "What to search for", 4),),
        lambda rng: {"results": rng.randint(1, 99), "first": pseudo_word(rng)},
        "There are {results} results. The first one is {first}.",
    ),
    Topic(
        ("note", "memo"),
        ("Save a note.", "Writes down a note.", "Notebook."),
        ("save the note {text}", "write down {text}", "make a note: {text}"),
        ("Can you remember this: {text}?",),
        (_free("text", "text note content", "Text of the note", 5),),
        _ok,
        "Done. I wrote down: {text}.",
    ),
    Topic(
        ("light", "lamp"),
        ("Switch a light on or off.", "Controls the lights of a room.", "Light switch."),
        ("switch the light in the {room} {on}", "turn the light {on} in the {room}"),
        ("Can the light in the {room} be {on}?",),
        (
            _string("room", "room place", _ROOMS, "Which room"),
            Parameter(
                "on",
                ("on", "state", "is_on"),
                {"type": "boolean"},
                lambda rng: rng.random() < 0.5,
                "On or off",
            ),
        ),
        _ok,
        "Done. The light in the {room} is {on}.",
    ),
    Topic(
        ("heating", "temperature"),
        ("Set the temperature of a room.", "Controls the heating.", "Heating control."),
        ("set the heating in the {room} to {degrees} degrees", "make the {room} {degrees} degrees warm"),
        ("Can the {room} be {degrees} degrees warm?",),
        (
            _string("room", "room place", _ROOMS, "Which room"),
            _integer("degrees", "degrees temperature value", 5, 30, "Degrees"),
        ),
        _ok,
        "Done. The {room} will be {degrees} degrees warm.",
    ),
    Topic(
        ("order", "buy", "shop"),
        ("Order something.", "Buys things in the shop.", "Shop."),
        ("order {count} {color} {item}s", "buy {count} {item}s in {color}"),
        ("Can I get {count} {color} {item}s?",),
        (
            _string(
                "item",
                "item product article",
                ("apple", "book", "chair", "pen", "cup", "shirt", "hat", "bag"),
            ),
            _integer("count", "count quantity amount", 2, 40, "How many"),
            _string("color", "color colour", ADJECTIVES[:3], "Color"),
        ),
        lambda rng: {"order": order_code(rng), "total": rng.randint(5, 99)},
        "Done. The order is {order} and costs {total} dollars.",
    ),
    Topic(
        ("track", "parcel", "status"),
        ("Find out where an order is.", "Status of an order.", "Tracks a parcel."),
        ("track the order {code}", "find out where the order {code} is", "look up the order {code}"),
        ("Where is my order {code}?", "What is the status of order {code}?"),
        (_CODE,),
        lambda rng: {"place": rng.choice(CITIES), "days": rng.randint(2, 9)},
        "The order {code} is in {place}. It arrives in {days} days.",
    ),
    Topic(
        ("distance", "route"),
        ("Distance between two cities.", "Finds how far two places are apart.", "Route planner."),
        ("find the distance from {from} to {to}", "tell me how far it is from {from} to {to}"),
        ("How far is it from {from} to {to}?",),
        (
            _city("from", "from start origin", "Where it begins"),
            _city("to", "to end destination", "Where it ends"),
        ),
        lambda rng: {"km": rng.randint(20, 900)},
        "It is {km} km from {from} to {to}.",
    ),
    Topic(
        ("tag", "label"),
        ("Put tags on a file.", "Adds labels to a file.", "File tags."),
        ("tag the file {file} with {tags}", "add the tags {tags} to the file {file}"),
        ("Can the file {file} have the tags {tags}?",),
        (
            _free("file", "file name path", "Name of the file", 1),
            Parameter(
                "tags",
                ("tags", "labels"),
                {"type": "array", "items": {"type": "string"}},
                lambda rng: rng.sample(NOUNS, rng.randint(1, 3)),
                "The tags",
            ),
        ),
        _ok,
        "Done. The file {file} has the tags {tags}.",
    ),
)
