"""Two calls in a row: what the first one gives is what the second one needs."""

from __future__ import annotations

from typing import Any, Final

from gptoss_gguf.harmony import Message, function_call, function_result

from ..draw import Draw, capitalized, phrasings, thought, user
from ..lookups import LOOKUPS
from ..sample import Expect, Sample
from ..toolbox import declare, distractors
from ..topics import TOPICS
from ..words import NAMES, pseudo_word
from .forms import as_json
from .tools import call_reasoning

# {n} is what to look up, {d} what to do with it.
CHAINS: Final = phrasings(
    (
        (
            "", "Please ", "Can you ", "Could you ", "First ", "First please ", "I want you to ", "Now ",
            "I need you to ", "Start: ", "Two steps: ", "You should ", "Would you ",
        ),
        ("find ", "look up ", "find out ", "get ", "search for ", "take ", "check ", "fetch "),
        ("{n}",),
        (
            " and {d}", ", then {d}", " and then {d}", ". Then {d}", ", and please {d}",
            ". When you have it, {d}",
        ),
        (".", ".", "?"),
    ),
    (
        "Please look up {n}, then {d}.", "Can you look up {n} and then {d}?", "First get {n} and then {d}.",
        "find {n}, then please {d}.", "I want you to find {n} and {d}.",
    ),
)  # fmt: skip
_SUBJECT_TOPICS: Final = TOPICS[5:14]  # whose descriptions are far from the tools of a chain


def tool_chain(draw: Draw) -> Sample:
    with draw.setting_the_scene():
        lookup = draw.one(LOOKUPS)
        names, about, task, keys, key_about = draw.one(lookup.then)
        who_key = draw.one(("name", "person", "who", "user"))
        first = declare(draw, lookup.names, draw.one(lookup.about), [(who_key, {"type": "string"})])
        second_key = draw.one(keys)
        described: dict[str, Any] = {"type": "string"}
        if draw.chance(0.7):
            described["description"] = key_about
        second = declare(draw, names, about, [(second_key, described)])
        while second.name == first.name:
            second = declare(draw, names, about, [(second_key, described)])
        tools = distractors(draw, [first, second], _SUBJECT_TOPICS, draw.one((0, 1, 2)))
    name = draw.one(NAMES) if draw.chance(0.7) else pseudo_word(draw.rng).capitalize()
    noun = lookup.noun.format(name=name)
    text = capitalized(draw.template(CHAINS).replace("{n}", noun).replace("{d}", task))
    found = draw.new(lambda: lookup.make(draw.rng))
    arguments = {second_key: found}
    prompt: list[Message] = [
        *draw.head(tools=tools),
        user(text),
        *thought(call_reasoning(draw, f"find {noun} first", first, {who_key: name})),
        function_call(first.name, as_json({who_key: name})),
        function_result(first.name, as_json({draw.one(lookup.key): found})),
    ]
    reasoning = call_reasoning(draw, task, second, arguments)
    call = function_call(second.name, as_json(arguments))
    return draw.called("tool_chain", prompt, reasoning, call, Expect(call=(second.name, arguments)))
