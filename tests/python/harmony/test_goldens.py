"""The official renderer's goldens, token for token.

Which conversation is behind which golden stands in the tests of openai/harmony.
"""

from typing import Any

import pytest
from gptoss_gguf.harmony import (
    BROWSER,
    PYTHON,
    DeveloperContent,
    FunctionTool,
    Message,
    SystemContent,
    developer_message,
    drop_finished_reasoning,
    function_call,
    render_conversation,
    render_for_completion,
    render_message,
    system_message,
)

from .. import vocabulary
from ..vocabulary import full_tokenizer
from .token_text import token_ids

FORMAT = {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}
GET_WEATHER = {
    "type": "object",
    "properties": {
        "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
        "format": FORMAT,
    },
    "required": ["location"],
}
GET_WEATHERS = {
    "type": "object",
    "properties": {
        "locations": {
            "type": "array",
            "items": {"type": "string"},
            "description": 'List of city and state, e.g. ["San Francisco, CA", "New York, NY"]',
        },
        "format": FORMAT,
    },
    "required": ["locations"],
}
KITCHENSINK = {
    "description": "params object",
    "type": "object",
    "properties": {
        "string": {
            "type": "string",
            "title": "STRING",
            "description": "A string",
            "examples": ["hello", "world"],
        },
        "string_nullable": {
            "type": "string",
            "nullable": True,
            "description": "A nullable string",
            "default": "the default",
        },
        "string_enum": {"type": "string", "enum": ["a", "b", "c"]},
        "oneof_string_or_number": {
            "oneOf": [
                {"type": "string", "default": "default_string_in_oneof"},
                {"type": "number", "description": "numbers can happen too"},
            ],
            "description": "a oneof",
            "default": 20,
        },
    },
}
FUNCTIONS = (
    FunctionTool("get_location", "Gets the location of the user."),
    FunctionTool("get_current_weather", "Gets the current weather in the provided location.", GET_WEATHER),
    FunctionTool(
        "get_multiple_weathers",
        "Gets the current weather in the provided list of locations.",
        GET_WEATHERS,
    ),
    FunctionTool("kitchensink", "A function with various complex schemas.", KITCHENSINK),
)
LOOKUP_WEATHER = FunctionTool(
    "lookup_weather",
    "Use this tool to lookup the weather in a given location. Call it with the parameter 'location', can be "
    "any textual description of a location.",
    {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
)
ROBOT = developer_message(DeveloperContent("Answer the user's questions like a robot."))


def user(text: str) -> Message:
    return Message("user", content=text)


def assistant(channel: str, text: str) -> Message:
    return Message("assistant", channel=channel, content=text)


def system(**options: Any) -> Message:
    return system_message(SystemContent(**options))


TWO_CHANNELS = {"channels": ("analysis", "final")}
TODAY = {"current_date": "2025-06-28"}
CAPITAL = user("What is the capital of the largest country in the world?")
SUM, QUOTIENT = user("What is 2 + 2?"), user("What about 9 / 2?")
SUM_ANSWER = assistant("final", "2 + 2 equals 4.")

# Those that end where the assistant goes on. The reasoning of finished turns is dropped first.
COMPLETIONS: dict[str, list[Message]] = {
    "simple_convo": [system(), SUM],
    "simple_convo_low_effort": [system(reasoning_effort="low"), ROBOT, CAPITAL],
    "simple_convo_medium_effort": [system(), ROBOT, CAPITAL],
    "simple_convo_high_effort": [system(reasoning_effort="high"), ROBOT, CAPITAL],
    "simple_convo_low_effort_no_instruction": [system(reasoning_effort="low"), CAPITAL],
    "simple_convo_medium_effort_no_instruction": [system(), CAPITAL],
    "simple_convo_high_effort_no_instruction": [system(reasoning_effort="high"), CAPITAL],
    "reasoning_system_message": [system(**TWO_CHANNELS), SUM],
    "reasoning_system_message_no_instruction": [
        system(reasoning_effort="high", **TWO_CHANNELS),
        user("What is the best place to eat candy in the world?"),
    ],
    "reasoning_system_message_with_dates": [
        system(current_date="2021-01-01", knowledge_cutoff="2021-01", **TWO_CHANNELS),
        user("What is 42 * pi?"),
    ],
    "render_functions_with_parameters": [
        system(reasoning_effort="high", has_functions=True, **TODAY),
        developer_message(DeveloperContent("Always respond in riddles", FUNCTIONS)),
        user("What is the weather like in SF?"),
    ],
    "no_tools": [system(**TODAY)],
    "browser_tool_only": [system(tools=(BROWSER,), **TODAY)],
    "browser_and_function_tool": [
        system(tools=(BROWSER,), has_functions=True, **TODAY),
        developer_message(DeveloperContent(functions=(LOOKUP_WEATHER,))),
    ],
    "browser_and_python_tool": [system(tools=(PYTHON, BROWSER), **TODAY)],
    "dropping_cot_by_default": [
        SUM,
        assistant("analysis", "User asks: \u201cWhat is 2 + 2?\u201d Simple arithmetic. Provide answer."),
        SUM_ANSWER,
        QUOTIENT,
    ],
}
PRESERVED = [
    SUM,
    assistant("analysis", 'User asks a simple question: "What is 2 + 2?" The answer: 4.'),
    SUM_ANSWER,
    QUOTIENT,
]
BETWEEN_FINALS = [
    SUM,
    assistant("analysis", "thinking 2+2"),
    assistant("final", "4"),
    user("What is 3 + 5?"),
    assistant("analysis", "thinking 3+5"),
    assistant("final", "8"),
]
TOOL_CHAIN = [
    user("What is the weather in SF?"),
    assistant(
        "analysis", "User asks: \u201cWhat is the weather in SF?\u201d We need to use lookup_weather tool."
    ),
    function_call("lookup_weather", '{"location": "San Francisco"}'),
    Message("tool", name="functions.lookup_weather", content='{"temperature": 20, "description": "sunny"}'),
]


def golden(name: str) -> str:
    return vocabulary.shared(f"conformance/harmony/test_{name}.txt").read_text(encoding="utf-8").rstrip()


def assert_same(ids: list[int], text: str) -> None:
    tokenizer = full_tokenizer()
    assert tokenizer.decode(ids) == text
    assert ids == token_ids(tokenizer, text)


@pytest.mark.parametrize("name", COMPLETIONS)
def test_prompt(name: str) -> None:
    text = golden(name)
    assert_same(render_for_completion(full_tokenizer(), drop_finished_reasoning(COMPLETIONS[name])), text)


def test_preserve_cot() -> None:
    """Without the policy nothing is dropped."""
    text = golden("preserve_cot")
    assert_same(render_for_completion(full_tokenizer(), PRESERVED), text)


def test_keep_analysis_between_finals() -> None:
    text = golden("keep_analysis_between_finals")
    assert_same(render_conversation(full_tokenizer(), drop_finished_reasoning(BETWEEN_FINALS)), text)


def test_ongoing_tool_chain_differs_in_the_place_of_the_recipient_only() -> None:
    """The golden names the recipient of the call behind the role; the model itself, behind the channel."""
    text = golden("does_not_drop_if_ongoing_analysis")
    theirs = "assistant to=functions.lookup_weather<|channel|>commentary <|constrain|>json"
    ours = "assistant<|channel|>commentary to=functions.lookup_weather <|constrain|>json"
    assert text.count(theirs) == 1
    ids = render_for_completion(full_tokenizer(), drop_finished_reasoning(TOOL_CHAIN))
    assert_same(ids, text.replace(theirs, ours))


def test_tool_response() -> None:
    """A transcript for the parser that the official tests also render, up to the end token."""
    text = golden("tool_response_parsing")
    message = Message(
        "tool",
        name="browser.search",
        recipient="assistant",
        channel="commentary",
        content='{"result": "https://openai.com/"}',
    )
    assert_same(render_message(full_tokenizer(), message), f"{text}<|end|>")


def test_every_rendering_is_compared() -> None:
    folder = vocabulary.shared("conformance/harmony")
    names = {path.stem.removeprefix("test_") for path in folder.glob("*.txt")}
    compared = {"preserve_cot", "keep_analysis_between_finals", "does_not_drop_if_ongoing_analysis"}
    transcripts = {
        "simple_reasoning_response",
        "simple_tool_call",
        "streamable_parser",
        "tool_response_parsing",
    }
    assert len(compared | set(COMPLETIONS)) == 19
    assert names == compared | set(COMPLETIONS) | transcripts
