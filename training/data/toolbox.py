"""Function tools as developers declare them: a topic, a name that may mean nothing, parameters that vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gptoss_gguf.harmony import FunctionTool

from .draw import Draw
from .topics import TOPICS, Parameter, Topic
from .words import VERBS, any_word, pseudo_word

_OPTIONAL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("limit", {"type": "integer", "description": "At most this many"}),
    ("unit", {"type": "string", "enum": ["metric", "imperial"]}),
    ("verbose", {"type": "boolean"}),
    ("format", {"type": "string", "description": "Output format", "default": "text"}),
)


@dataclass(frozen=True)
class Tool:
    """A declared tool. keys: the name of each of the topic's parameters in the schema, by slot."""

    topic: Topic
    function: FunctionTool
    keys: dict[str, str]

    @property
    def name(self) -> str:
        return self.function.name

    def arguments(self, values: dict[str, Any]) -> dict[str, Any]:
        """Slot values as the arguments of a call."""
        return {key: values[slot] for slot, key in self.keys.items()}


def tool_name(draw: Draw, hints: Sequence[str]) -> str:
    """A name of this split: natural, or of words that have nothing to do with the task."""

    def make() -> str:
        rng = draw.rng
        style = rng.random()
        if style < 0.35:
            words = [rng.choice(VERBS), rng.choice(list(hints))]
        elif style < 0.7:
            words = [any_word(rng), any_word(rng)]
        else:
            words = [pseudo_word(rng) for _ in range(rng.choice((1, 1, 2)))]
        if rng.random() < 0.15:
            return words[0] + "".join(word.capitalize() for word in words[1:])
        return ("_" if rng.random() < 0.9 else "-").join(words)

    return draw.new(make)


def declare(
    draw: Draw, hints: Sequence[str], about: str, parameters: Sequence[tuple[str, dict[str, Any]]]
) -> FunctionTool:
    """A tool with these required parameters, in any order, and now and then an optional one."""
    entries = [(key, schema, True) for key, schema in parameters]
    draw.rng.shuffle(entries)
    if draw.chance(0.2):
        key, schema = draw.one(_OPTIONAL)
        if key not in dict(parameters):
            entries.append((key, schema, False))
    schema = {
        "type": "object",
        "properties": {key: value for key, value, _ in entries},
        "required": [key for key, _, is_required in entries if is_required],
    }
    return FunctionTool(tool_name(draw, hints), about, schema)


def required(tool: FunctionTool) -> dict[str, Any]:
    """The schemas of the parameters that must be given, by name."""
    assert tool.parameters is not None
    return {key: tool.parameters["properties"][key] for key in tool.parameters["required"]}


def _described(draw: Draw, parameter: Parameter, is_strange: bool) -> dict[str, Any]:
    schema = dict(parameter.schema)
    if is_strange or (parameter.about and draw.chance(0.7)):
        schema["description"] = parameter.about or f"The {parameter.slot}"
    return schema


def make_tool(draw: Draw, topic: Topic) -> Tool:
    """A tool for the topic.

    In training a parameter now and then has a name that only its description explains: whoever sees only
    the usual names learns to say them instead of reading them.
    """
    keys: dict[str, str] = {}
    strange: set[str] = set()
    for parameter in topic.parameters:
        is_strange = draw.split == "train" and draw.chance(0.35)
        names = [any_word(draw.rng) for _ in range(8)] if is_strange else parameter.names
        keys[parameter.slot] = draw.one([name for name in names if name not in keys.values()])
        strange |= {parameter.slot} if is_strange else set()
    schemas = [
        (keys[parameter.slot], _described(draw, parameter, parameter.slot in strange))
        for parameter in topic.parameters
    ]
    function = declare(draw, topic.names, draw.one(topic.about), schemas)
    order = list(function.parameters["properties"]) if function.parameters else []
    keys = dict(sorted(keys.items(), key=lambda item: order.index(item[1])))
    return Tool(topic, function, keys)


def topic_tools(draw: Draw) -> list[Tool]:
    """One tool, or more often a few, of different topics."""
    tools: list[Tool] = []
    for topic in draw.some(TOPICS, *draw.one(((1, 1), (3, 4), (3, 4)))):
        tool = make_tool(draw, topic)
        if tool.name not in [other.name for other in tools]:
            tools.append(tool)
    return tools


def distractors(
    draw: Draw, taken: Sequence[FunctionTool], topics: Sequence[Topic], count: int
) -> list[FunctionTool]:
    """The tools and `count` others of these topics, in random order, with names that differ."""
    tools = list(taken)
    for topic in draw.some(topics, count, count):
        function = make_tool(draw, topic).function
        if function.name not in [tool.name for tool in tools]:
            tools.append(function)
    draw.rng.shuffle(tools)
    return tools


def values_of(draw: Draw, topic: Topic) -> dict[str, Any]:
    """A value for every slot; two slots of one topic never have the same."""
    while True:
        values = {parameter.slot: parameter.make(draw.rng) for parameter in topic.parameters}
        if len({str(value) for value in values.values()}) == len(values):
            return values


def spoken(values: dict[str, Any]) -> dict[str, str]:
    """Slot values as users say them."""

    def say(value: Any) -> str:
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, list):
            return " and ".join(filter(None, [", ".join(value[:-1]), value[-1]]))
        return str(value)

    return {slot: say(value) for slot, value in values.items()}
