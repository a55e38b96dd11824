"""Generated conversations equal those that oss-harmony renders; where we differ on purpose, each case."""

from itertools import chain

import pytest
from gptoss_gguf.harmony import (
    BROWSER,
    PYTHON,
    DeveloperContent,
    FunctionTool,
    Message,
    SystemContent,
    drop_finished_reasoning,
    function_call,
    function_result,
    render_for_completion,
)
from gptoss_gguf.harmony.tools_typescript import type_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..vocabulary import full_tokenizer
from . import oracle
from .schemas import SCHEMAS, TEXT

WORD = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,11}", fullmatch=True)
FUNCTION = st.builds(FunctionTool, WORD, TEXT, st.none() | SCHEMAS)
CONTENT = st.one_of(st.text(), st.sampled_from(["<|end|>", "<|start|>system<|message|>", "\U0001f9a5", "{}"]))
PAIRS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def said(channel: str) -> st.SearchStrategy[list[Message]]:
    return CONTENT.map(lambda text: [Message("assistant", channel=channel, content=text)])


def called(name: str, arguments: str, output: str) -> list[Message]:
    """A call and its result; of results with a channel see below."""
    return [
        function_call(name, arguments),
        Message("tool", name=f"functions.{name}", recipient="assistant", content=output),
    ]


CHAIN = st.lists(
    said("analysis") | said("commentary") | st.builds(called, WORD, CONTENT, CONTENT), max_size=4
)
USER = st.builds(Message, st.just("user"), name=st.none() | WORD, content=CONTENT)
SYSTEM = st.builds(
    SystemContent,
    identity=st.none() | TEXT,
    knowledge_cutoff=st.none() | TEXT,
    current_date=st.none() | TEXT,
    reasoning_effort=st.sampled_from([None, "low", "medium", "high"]),
    channels=st.lists(WORD, max_size=3),
    tools=st.sampled_from([(), (BROWSER,), (PYTHON,), (BROWSER, PYTHON), (PYTHON, BROWSER)]),
)
DEVELOPER = st.builds(DeveloperContent, st.none() | TEXT, st.lists(FUNCTION, max_size=3).map(tuple))


@st.composite
def conversations(draw: st.DrawFn, *, answered: bool) -> list[oracle.Pair]:
    """Turns of which the last is open; the ones before end in an answer, if `answered`."""
    developer = draw(st.none() | DEVELOPER)
    system = draw(SYSTEM)
    if developer is not None and developer.functions:
        system = SystemContent(**{**fields(system), "has_functions": True})
    pairs = [oracle.system(system), *([oracle.developer(developer)] if developer else [])]
    for _ in range(draw(st.integers(0, 1 if answered else 3))):
        turn = [draw(USER), *chain.from_iterable(draw(CHAIN))]
        pairs += map(oracle.plain, [*turn, *(draw(said("final")) if answered else [])])
    return [*pairs, oracle.plain(draw(USER))]


def fields(content: SystemContent) -> dict[str, object]:
    return {name: getattr(content, name) for name in SystemContent.__dataclass_fields__}


def decoded(ids: list[int]) -> str:
    return full_tokenizer().decode(ids)


@PAIRS
@given(conversations(answered=False))
def test_conversations(pairs: list[oracle.Pair]) -> None:
    ids = render_for_completion(full_tokenizer(), [ours for ours, _ in pairs])
    theirs = oracle.render(theirs for _, theirs in pairs)
    assert decoded(ids) == decoded(theirs)
    assert ids == theirs


@PAIRS
@given(conversations(answered=True))
def test_reasoning_is_dropped(pairs: list[oracle.Pair]) -> None:
    kept = drop_finished_reasoning(ours for ours, _ in pairs)
    theirs = oracle.render((theirs for _, theirs in pairs), drops=True)
    assert decoded(render_for_completion(full_tokenizer(), kept)) == decoded(theirs)


@PAIRS
@given(SCHEMAS)
def test_schemas(schema: object) -> None:
    assert type_text(schema) == oracle.type_text(schema)


# What we do otherwise, and why. Every class of difference has its cases here.

USED, THOUGHT = Message("user", content="u"), Message("assistant", channel="analysis", content="t")
ANSWER = Message("assistant", channel="final", content="f")


@pytest.mark.parametrize(
    ("messages", "ours", "theirs"),
    [
        pytest.param(
            [function_result("f", "1")],
            "<|start|>functions.f to=assistant<|channel|>commentary<|message|>1<|end|>",
            "<|start|>functions.f<|channel|>commentary to=assistant<|message|>1<|end|>",
            id="result of a tool: recipient behind the name, as in the format's documentation",
        ),
        pytest.param(
            [Message("assistant", recipient="f", content_type="code", content="1")],
            "<|start|>assistant to=f code<|message|>1<|call|>",
            "<|start|>assistant to=f <|constrain|>code<|message|>1<|call|>",
            id="content type: a mark only where the message has one",
        ),
        pytest.param(
            [Message("assistant", channel="final", recipient="all", content="1")],
            "<|start|>assistant<|channel|>final<|message|>1<|end|>",
            "<|start|>assistant<|channel|>final<|message|>1<|call|>",
            id="a message to all calls no tool",
        ),
        pytest.param(
            [USED, THOUGHT, ANSWER] * 2 + [USED],
            "<|start|>user<|message|>u<|end|><|start|>assistant<|channel|>final<|message|>f<|end|>" * 2
            + "<|start|>user<|message|>u<|end|>",
            "<|start|>user<|message|>u<|end|><|start|>assistant<|channel|>final<|message|>f<|end|>"
            "<|start|>user<|message|>u<|end|><|start|>assistant<|channel|>analysis<|message|>t<|end|>"
            "<|start|>assistant<|channel|>final<|message|>f<|end|><|start|>user<|message|>u<|end|>",
            id="reasoning of every answered turn is dropped, not of the first only",
        ),
        pytest.param(
            [USED, THOUGHT, ANSWER, USED, THOUGHT],
            "<|start|>user<|message|>u<|end|><|start|>assistant<|channel|>final<|message|>f<|end|>"
            "<|start|>user<|message|>u<|end|><|start|>assistant<|channel|>analysis<|message|>t<|end|>",
            "<|start|>user<|message|>u<|end|><|start|>assistant<|channel|>analysis<|message|>t<|end|>"
            "<|start|>assistant<|channel|>final<|message|>f<|end|>"
            "<|start|>user<|message|>u<|end|><|start|>assistant<|channel|>analysis<|message|>t<|end|>",
            id="and it stays dropped while the next turn reasons",
        ),
        pytest.param(
            [THOUGHT, function_call("f", "1", channel="analysis"), ANSWER, USED],
            "<|start|>assistant<|channel|>analysis to=functions.f <|constrain|>json<|message|>1<|call|>"
            "<|start|>assistant<|channel|>final<|message|>f<|end|><|start|>user<|message|>u<|end|>",
            "<|start|>assistant<|channel|>final<|message|>f<|end|><|start|>user<|message|>u<|end|>",
            id="calls of functions on the analysis channel stay",
        ),
    ],
)
def test_other_conversations(messages: list[Message], ours: str, theirs: str) -> None:
    tokenizer = full_tokenizer()
    tail = "<|start|>assistant"
    assert decoded(render_for_completion(tokenizer, drop_finished_reasoning(messages))) == ours + tail
    made = [oracle.plain(message)[1] for message in messages]
    assert decoded(oracle.render(made, drops=True)) == theirs + tail


def test_empty_sections_are_left_out() -> None:
    ours, theirs = oracle.developer(DeveloperContent(""))
    assert ours.content == ""
    assert oracle.text(theirs) == "<|start|>developer<|message|># Instructions\n\n<|end|>"


NULLED = {"type": "object", "nullable": True, "properties": {"b": {"type": "string", "nullable": True}}}


@pytest.mark.parametrize(
    ("schema", "ours", "theirs"),
    [
        # forms that they do not know
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string | null", "any"),
        ({"allOf": [{"type": "string"}]}, "string", "any"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, "string", "any"),
        ({"const": 1}, "1", "any"),
        ({"type": "null"}, "null", "any"),
        ({"type": "integer", "enum": [1, 2]}, "1 | 2", "number"),
        ({"type": ["string", "null"], "enum": ["a", None]}, '"a" | null', "string | null"),
        ({"type": ["array", "null"], "items": {"type": "string"}}, "string[] | null", "array | null"),
        ({"properties": {"a": {}}}, "{\na?: any,\n}", "any"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            "{\n[key: string]: string,\n}",
            "{\n}",
        ),
        ({"type": "object", "oneOf": [{"required": ["a"]}]}, "{\n}", "\n | any"),
        # a union in an array
        ({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}, '("a" | "b")[]', '"a" | "b"[]'),
        # null: in arrays, and where another part of the type has the word in it
        ({"type": "array", "items": {"type": "string", "nullable": True}}, "(string | null)[]", "string[]"),
        (
            {"type": "object", "properties": {"a": NULLED}},
            "{\na?: {\n    b?: string | null,\n    } | null,\n}",
            "{\na?: {\n    b?: string | null,\n    },\n}",
        ),
        # text with line breaks or quotes
        (
            {"type": "object", "properties": {"a": {"description": "b\nc", "default": 'd"'}}},
            '{\n// b\n// c\na?: any, // default: "d\\""\n}',
            '{\n// b\nc\na?: any, // default: "d""\n}',
        ),
        ({"type": "string", "enum": ['"']}, '"\\""', '"""'),
        # the first description of a union, and examples that are no text
        (
            {"type": "object", "properties": {"a": {"description": "b", "oneOf": [{"description": "c"}]}}},
            "{\n// b\na?:\n | any // c\n,\n}",
            "{\n// b\na?:\n | any\n,\n}",
        ),
        (
            {"type": "object", "properties": {"a": {"examples": [1]}}},
            "{\n// Examples:\n// - 1\na?: any,\n}",
            "{\n// Examples:\na?: any,\n}",
        ),
        # numbers of more than 64 bits
        (
            {"oneOf": [{"default": 2**64}]},
            "\n | any // default: 18446744073709551616",
            "\n | any // default: 1.8446744073709552e+19",
        ),
        # the default of an enum is never quoted here, there only outside of unions
        (
            {"oneOf": [{"type": "string", "enum": ["a"], "default": "a"}]},
            '\n | "a" // default: a',
            '\n | "a" // default: "a"',
        ),
    ],
)  # fmt: skip
def test_other_schemas(schema: object, ours: str, theirs: str) -> None:
    assert type_text(schema) == ours
    assert oracle.type_text(schema) == theirs
