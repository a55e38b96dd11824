"""Texts of the system message and the developer message."""

from typing import Any

import pytest
from gptoss_gguf.errors import RequestError
from gptoss_gguf.harmony import (
    DeveloperContent,
    FunctionTool,
    ResponseFormat,
    SystemContent,
    ToolNamespace,
    developer_message,
    developer_text,
    system_message,
    system_text,
)

SHOPPING = {"properties": {"items": {"type": "array", "items": {"type": "string"}}}, "type": "object"}


def test_system_message_by_default() -> None:
    message = system_message()
    assert message.role == "system"
    assert message.content == system_text(SystemContent())
    assert message.content == (
        "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n\n"
        "Reasoning: medium\n\n"
        "# Valid channels: analysis, commentary, final. Channel must be included for every message."
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, ""),
        ({"identity": "I."}, "I."),
        ({"reasoning_effort": "low"}, "Reasoning: low"),
        ({"current_date": "2026-01-02", "identity": "I."}, "I.\nCurrent date: 2026-01-02"),
        (
            {"channels": ("final",), "has_functions": True},
            "# Valid channels: final. Channel must be included for every message.\n"
            "Calls to these tools must go to the commentary channel: 'functions'.",
        ),
        (
            {"tools": (ToolNamespace("z", "Z\nz"), ToolNamespace("a", "A", (FunctionTool("f"),)))},
            "# Tools\n\n## a\n\n// A\nnamespace a {\n\ntype f = () => any;\n\n} // namespace a\n\n"
            "## z\n\nZ\nz",
        ),
    ],
)
def test_what_is_none_or_empty_is_left_out(options: dict[str, Any], text: str) -> None:
    nothing: dict[str, Any] = {
        "identity": None,
        "knowledge_cutoff": None,
        "reasoning_effort": None,
        "channels": (),
    }
    assert system_text(SystemContent(**{**nothing, **options})) == text


def test_developer_message() -> None:
    content = DeveloperContent(
        "Be brief.",
        (FunctionTool("now", "The time.\n\nIn UTC.\n"),),
        (ResponseFormat("list", SHOPPING, "Shopping\nlist"), ResponseFormat("any", {"const": "\u00e9"})),
    )
    message = developer_message(content)
    assert message.role == "developer"
    assert message.content == developer_text(content)
    assert message.content == (
        "# Instructions\n\nBe brief.\n\n"
        "# Tools\n\n## functions\n\nnamespace functions {\n\n"
        "// The time.\n// \n// In UTC.\ntype now = () => any;\n\n} // namespace functions\n\n"
        "# Response Formats\n\n"
        "## list\n\n// Shopping\n// list\n"
        '{"properties":{"items":{"type":"array","items":{"type":"string"}}},"type":"object"}\n\n'
        '## any\n\n{"const":"\u00e9"}'
    )
    assert developer_text(DeveloperContent("", (), ())) == ""


def test_unknown_effort() -> None:
    with pytest.raises(
        RequestError, match="reasoning_effort='none' is not allowed: it must be one of low, medium"
    ):
        SystemContent(reasoning_effort="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a b", "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(RequestError, match=r"a tool's name is .*no white space"):
        FunctionTool(name)
    with pytest.raises(RequestError, match=r"a tool namespace's name is .*no white space"):
        ToolNamespace(name)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), b"x"])
def test_a_response_format_has_to_be_json(value: object) -> None:
    with pytest.raises(RequestError, match="the schema of response format 'x' is not JSON"):
        developer_text(DeveloperContent(response_formats=(ResponseFormat("x", {"default": value}),)))
