"""Calls of functions that the developer message declares; and when not to call any."""

from __future__ import annotations

from typing import Any, Final

from gptoss_gguf.harmony import FunctionTool, Message, function_call, function_result

from ..draw import Draw, capitalized, phrasings, user
from ..relations import FACTS
from ..sample import Expect, Sample
from ..toolbox import Tool, declare, distractors, required, spoken, topic_tools, values_of
from ..topics import TOPICS
from ..words import any_word
from .facts import question, recall
from .forms import as_json

_ASKED: Final = (
    "", "Please ", "Can you ", "Could you ", "Would you ", "I want you to ", "I need you to ", "Now ",
    "I would like you to ", "You should ", "You must ", "Try to ", "Go and ", "Next, ", "Help me: ",
    "Could you please ", "Let us ", "I ask you to ", "Your task is to ",
)  # fmt: skip
# {d} is a task such as "look up the weather in Rome".
REQUESTS: Final = phrasings(
    (
        (
            *_ASKED, "Help me to ", "Please help to ", "Would you help me to ", "Would you kindly ",
            "Use a tool to ", "Please use a tool to ", "Use a tool and ", "I want you to use tools to ",
            "Take a tool and ", "My wish: ", "Your task: ", "I want: ",
            "Is it possible to ", "How about this: ",
        ),
        ("{d}",),
        (".", ".", "?", "!", "", ", please.", " now.", " for me.", " with a tool."),
    ),
    (
        "Can you please {d}?", "Please help me to {d}.", "I want you to use a tool and {d}.",
        "Now please {d}.", "Would you please {d}?",
    ),
)  # fmt: skip
# {f} is the tool, {v} lists the arguments: "size 3 and color red".
ORDERS: Final = phrasings(
    (
        _ASKED,
        ("call ", "use ", "run ", "execute ", "invoke ", "try ", "start ", "apply ", "make a call of "),
        ("", "", "the tool ", "the function ", "my function ", "function "),
        ("{f}",),
        (" with {v}", " with {v}", ": {v}", ", {v}", " and set {v}", " using {v}", ". Arguments: {v}"),
        (".", "?"),
    ),
    (
        "Please use {f} with {v}.", "Please run the tool {f} with {v}.", "Can you use {f} with {v}?",
        "I want you to run {f} with {v}.", "call the function {f} with {v}.",
    ),
)  # fmt: skip


def call_reasoning(draw: Draw, task: str, tool: FunctionTool, values: dict[str, Any]) -> str | None:
    """Which tool, and with what. The description comes before the name: it is easier to find by the task."""
    found = f"{tool.description} That is {tool.name}."
    settings = _settings(values)
    return draw.reason(
        found,
        f"The user wants me to {task}. {found} {settings}",
        f"The user wants me to {task}. I look for a tool that does this. {found} {settings} That is all it "
        f"needs. I call {tool.name} now.",
    )


def _settings(values: dict[str, Any]) -> str:
    return " ".join(f"{key} is {as_json(value)}." for key, value in values.items())


def _request(draw: Draw, tool: Tool, values: dict[str, Any]) -> tuple[str, str]:
    """(what the user says, the task in plain words); in training also as questions."""
    said = spoken(values)
    task = draw.one(tool.topic.tasks).format(**said)
    if draw.split == "train" and draw.chance(0.3):
        return draw.polite(draw.one(tool.topic.questions).format(**said)), tool.topic.tasks[0].format(**said)
    text = capitalized(draw.template(REQUESTS).replace("{d}", task))
    return draw.polite(text), task


def _earlier(draw: Draw, tool: Tool) -> list[Message]:
    """Now and then a turn before: a fact, or a call of the same tool."""
    if draw.chance(0.1):
        fact = draw.one(FACTS)
        return [user(question(draw, fact)), Message("assistant", channel="final", content=fact.sentence)]
    if draw.chance(0.15):
        values = values_of(draw, tool.topic)
        text, _ = _request(draw, tool, values)
        result = tool.topic.result(draw.rng)
        told = tool.topic.answer.format(**{**spoken(values), **result})
        return [
            user(text),
            function_call(tool.name, as_json(tool.arguments(values))),
            function_result(tool.name, as_json(result)),
            Message("assistant", channel="final", content=told),
        ]
    return []


def _tools(draw: Draw) -> tuple[Tool, list[FunctionTool]]:
    """(the tool to use, all tools of the scene)."""
    with draw.setting_the_scene():
        tools = topic_tools(draw)
    return draw.one(tools), [tool.function for tool in tools]


def tool_call(draw: Draw) -> Sample:
    """One call; the tool is found by its description."""
    tool, tools = _tools(draw)
    messages = [*draw.head(tools=tools), *_earlier(draw, tool)]
    values = values_of(draw, tool.topic)
    text, task = _request(draw, tool, values)
    arguments = tool.arguments(values)
    reasoning = call_reasoning(draw, task, tool.function, arguments)
    expect = Expect(call=(tool.name, arguments))
    call = function_call(tool.name, as_json(arguments))
    return draw.called("tool_call", [*messages, user(text)], reasoning, call, expect)


def _strange_tool(draw: Draw) -> FunctionTool:
    """A tool that says nothing about what it does."""
    keys = draw.rng.sample(sorted({any_word(draw.rng) for _ in range(8)}), draw.rng.randint(1, 3))
    types = [(key, {"type": "integer" if draw.chance(0.4) else "string"}) for key in keys]
    return declare(draw, keys, draw.one(("Does something.", "A test tool.", "Example tool.")), types)


def tool_named(draw: Draw) -> Sample:
    """One call of a tool that the user names, with arguments that mean nothing, in the user's order."""
    with draw.setting_the_scene():
        strange = [_strange_tool(draw) for _ in range(draw.one((1, 2)))]
        if strange[0].name == strange[-1].name:
            del strange[1:]
        tools = distractors(draw, strange, TOPICS, draw.one((0, 2)))
    tool = draw.one(strange)
    keys = required(tool)
    values: dict[str, Any] = {}
    for key in draw.some(list(keys), len(keys), len(keys)):
        is_number = keys[key]["type"] == "integer"
        values[key] = draw.rng.randint(0, 99) if is_number else any_word(draw.rng)
    joint = draw.one((" ", " = ", " set to ", ": "))
    listed = " and ".join(f"{key}{joint}{value}" for key, value in values.items())
    text = draw.template(ORDERS).replace("{v}", listed)
    text = (text if text.startswith("{f}") else capitalized(text)).replace("{f}", tool.name)
    reasoning = draw.reason(
        f"Call {tool.name}.",
        f"The user names the tool {tool.name}. {_settings(values)}",
        f"The user wants me to call {tool.name} with {listed}. There is such a tool. {_settings(values)} "
        f"I call {tool.name} now.",
    )
    prompt = [*draw.head(tools=tools), user(text)]
    call = function_call(tool.name, as_json(values))
    return draw.called("tool_named", prompt, reasoning, call, Expect(call=(tool.name, values)))


_FAILURES: Final = ("not found", "no connection", "access denied", "timeout", "try again later")


def tool_answer(draw: Draw) -> Sample:
    """The answer from a tool's result, or that it failed."""
    tool, tools = _tools(draw)
    values = values_of(draw, tool.topic)
    text, task = _request(draw, tool, values)
    arguments = tool.arguments(values)
    if draw.chance(0.1):
        error = draw.one(_FAILURES)
        result: dict[str, Any] = {"error": error}
        final = f"That did not work: {error}."
    else:
        result = tool.topic.result(draw.rng)
        final = tool.topic.answer.format(**{**spoken(values), **result})
    before = call_reasoning(draw, task, tool.function, arguments)
    thoughts = [] if before is None else [Message("assistant", channel="analysis", content=before)]
    output = (
        as_json(result) if draw.chance(0.7) else ", ".join(f"{key}: {value}" for key, value in result.items())
    )
    prompt = [
        *draw.head(tools=tools),
        user(text),
        *thoughts,
        function_call(tool.name, as_json(arguments)),
        function_result(tool.name, output),
    ]
    told = " ".join(f"{key} is {value}." for key, value in result.items())
    reasoning = draw.reason(
        "I have the result.",
        f"The tool says: {told}",
        f"The tool {tool.name} has answered. {told} Now I can answer the user, who wants me to {task}.",
    )
    return draw.answered("tool_answer", prompt, reasoning, final, Expect(equals=final))


def tool_unneeded(draw: Draw) -> Sample:
    """Tools are there, but the question needs none."""
    fact = draw.one(FACTS)
    _, tools = _tools(draw)
    prompt = [*draw.head(tools=tools), user(question(draw, fact))]
    expect = Expect(contains=(fact.answer,))
    return draw.answered("tool_unneeded", prompt, recall(draw, fact), fact.sentence, expect)
