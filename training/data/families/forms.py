"""JSON out of a text: with keys named in the prompt, or as a schema in the developer message demands."""

from __future__ import annotations

import json
from typing import Any, Final

from gptoss_gguf.harmony import ResponseFormat

from ..draw import Draw, user
from ..records import Record, make_record
from ..relations import with_article
from ..sample import Expect, Sample

# {k} lists the keys, {t} is the text.
EXTRACTION: Final = (
    "Extract {k} as JSON: {t}", "Extract {k} from this text as JSON: {t}", "Give me {k} as JSON. Text: {t}",
    "Read this and answer with JSON with the keys {k}: {t}", "{t} Write {k} as JSON.",
    "{t} Extract {k} as JSON.", "Turn this into JSON with the keys {k}: {t}",
    "Make a JSON object with {k} from this text: {t}", "JSON with {k}: {t}",
    "Convert to JSON with the keys {k}. {t}", "From the text, extract {k} as a JSON object. {t}",
    "What are {k}? Answer in JSON. {t}", "{t} Answer with a JSON object that has the keys {k}.",
    "Put {k} into JSON: {t}", "I need {k} in JSON format: {t}", "Text: {t} Keys: {k}. Answer in JSON.",
    "Parse this text into JSON with {k}: {t}", "Return {k} as JSON. The text is: {t}",
    "Please extract {k} as JSON: {t}", "{t} Give me {k} as a JSON object.",
    "Write JSON with the keys {k} from this: {t}", "Read the text and extract {k} as JSON. {t}",
    "Turn the text into JSON with {k}: {t}",
)  # fmt: skip
# {n} is the name of the format.
SCHEMA: Final = (
    "{t}", "{t}", "Fill in the form: {t}", "Put this into the format {n}: {t}", "Use the format {n}. {t}",
    "Text: {t}", "Read this: {t}", "Convert this: {t}", "{t} Answer in the given format.",
    "Here is the text: {t}", "Extract the data. {t}", "Extract the {n}: {t}", "{t} Please give me the {n}.",
    "Give me the {n} as JSON: {t}", "Make a {n} out of this: {t}", "Write this as a {n}: {t}",
    "The text is: {t} Answer as {n}.", "Structure this text: {t}", "Parse this: {t}",
    "Turn this into a {n}: {t}", "Please fill in the form. {t}", "Please extract the {n}: {t}",
    "Here is a text: {t} Give me the {n}.", "Answer in the format {n}: {t}",
    "Put this text into the given format: {t}",
)  # fmt: skip


def as_json(value: Any) -> str:
    """JSON without blanks, as the model writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _record(draw: Draw) -> Record:
    """A record whose text belongs to this split."""
    found: list[Record] = []

    def make() -> str:
        found.append(make_record(draw.rng))
        return found[-1].text

    draw.new(make)
    return found[-1]


def _reasoning(draw: Draw, record: Record, form: str) -> str | None:
    keys = ", ".join(record.value)
    values = " ".join(f"{key} is {as_json(value)}." for key, value in record.value.items())
    return draw.reason(
        f"Keys: {keys}.",
        f"I answer with {form}. {values}",
        f"The user wants {form}. The keys are {keys}. I look for each of them in the text. {values} I write "
        "nothing but the JSON object.",
    )


def extraction(draw: Draw) -> Sample:
    record = _record(draw)
    keys = list(record.value)
    listed = f"{', '.join(keys[:-1])} and {keys[-1]}" if draw.chance(0.6) else ", ".join(keys)
    text = draw.template(EXTRACTION).replace("{k}", listed).replace("{t}", record.text)
    prompt = [*draw.head(), user(text)]
    final = as_json(record.value)
    return draw.answered(
        "extraction", prompt, _reasoning(draw, record, "JSON"), final, Expect(json=record.value)
    )


def schema(draw: Draw) -> Sample:
    record = _record(draw)
    shown = dict(record.schema)
    if draw.chance(0.4):
        del shown["additionalProperties"]
    if draw.chance(0.3):
        shown["properties"] = {
            key: {**value, "description": f"The {key}."} for key, value in shown["properties"].items()
        }
    name = draw.one((record.name, record.name, "answer", "response", f"{record.name}_data"))
    about = draw.one(("", "", f"Data of {with_article(record.name)}."))
    prompt = [
        *draw.head(formats=[ResponseFormat(name, shown, about)]),
        user(draw.template(SCHEMA).replace("{n}", name).replace("{t}", record.text)),
    ]
    expect = Expect(json=record.value, schema=shown)
    final = as_json(record.value)
    return draw.answered("schema", prompt, _reasoning(draw, record, f"the format {name}"), final, expect)
