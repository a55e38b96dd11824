"""What the system message and the developer message say: typed contents and their text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gptoss_gguf.errors import RequestError
from gptoss_gguf.harmony.message import CHANNELS, Message, check_word
from gptoss_gguf.harmony.tools_typescript import comment, function_type

ReasoningEffort = Literal["low", "medium", "high"]
IDENTITY = "You are ChatGPT, a large language model trained by OpenAI."
KNOWLEDGE_CUTOFF = "2024-06"


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A function that the model may call. parameters: JSON Schema of its arguments; None takes none."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_word("a tool's name", self.name)


@dataclass(frozen=True, slots=True)
class ToolNamespace:
    """Tools under one name. Without functions the tool takes plain text, described in `description`."""

    name: str
    description: str = ""
    functions: tuple[FunctionTool, ...] = ()

    def __post_init__(self) -> None:
        check_word("a tool namespace's name", self.name)


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """A form that the answer shall have. schema: JSON Schema, shown to the model as it is."""

    name: str
    schema: Mapping[str, Any]
    description: str = ""


@dataclass(frozen=True, slots=True)
class SystemContent:
    """The system message. What is None or empty is left out.

    current_date: YYYY-MM-DD; left out by default: prompts then stay the same from day to day.
    tools: built-in tools, see `builtin_tools`.
    has_functions: the developer message declares functions; the model is told where their calls go.
    """

    identity: str | None = IDENTITY
    knowledge_cutoff: str | None = KNOWLEDGE_CUTOFF
    current_date: str | None = None
    reasoning_effort: ReasoningEffort | None = "medium"
    channels: Sequence[str] = CHANNELS
    tools: tuple[ToolNamespace, ...] = ()
    has_functions: bool = False

    def __post_init__(self) -> None:
        if self.reasoning_effort is not None and self.reasoning_effort not in get_args(ReasoningEffort):
            allowed = ", ".join(get_args(ReasoningEffort))
            raise RequestError(
                f"reasoning_effort={self.reasoning_effort!r} is not allowed: it must be one of {allowed}"
            )


@dataclass(frozen=True, slots=True)
class DeveloperContent:
    """The developer message: instructions (what other formats call the system prompt), functions, formats."""

    instructions: str | None = None
    functions: tuple[FunctionTool, ...] = ()
    response_formats: tuple[ResponseFormat, ...] = ()


def system_text(content: SystemContent) -> str:
    """Text of a system message."""
    top = [content.identity] if content.identity else []
    if content.knowledge_cutoff:
        top.append(f"Knowledge cutoff: {content.knowledge_cutoff}")
    if content.current_date:
        top.append(f"Current date: {content.current_date}")
    sections = ["\n".join(top)]
    if content.reasoning_effort is not None:
        sections.append(f"Reasoning: {content.reasoning_effort}")
    sections.append(_tools_section(content.tools))
    if content.channels:
        rule = f"# Valid channels: {', '.join(content.channels)}. Channel must be included for every message."
        if content.has_functions:
            rule += "\nCalls to these tools must go to the commentary channel: 'functions'."
        sections.append(rule)
    return "\n\n".join(filter(None, sections))


def developer_text(content: DeveloperContent) -> str:
    """Text of a developer message; empty where there is nothing to say. Raises RequestError for a response
    format whose schema is not JSON."""
    sections = [f"# Instructions\n\n{content.instructions}"] if content.instructions else []
    if content.functions:
        sections.append(_tools_section([ToolNamespace("functions", functions=content.functions)]))
    if content.response_formats:
        sections += ["# Response Formats", *map(_format_section, content.response_formats)]
    return "\n\n".join(sections)


def system_message(content: SystemContent | None = None) -> Message:
    """The system message; None gives the default one."""
    return Message("system", content=system_text(content or SystemContent()))


def developer_message(content: DeveloperContent) -> Message:
    """The developer message."""
    return Message("developer", content=developer_text(content))


def _tools_section(namespaces: Sequence[ToolNamespace]) -> str:
    """All namespaces, in the order of their names; "" if there is none."""
    ordered = sorted(namespaces, key=lambda namespace: namespace.name)
    return "\n\n".join(["# Tools", *map(_namespace_text, ordered)]) if ordered else ""


def _namespace_text(namespace: ToolNamespace) -> str:
    lines = [f"## {namespace.name}", ""]
    if not namespace.functions:
        return "\n".join([*lines, namespace.description])
    lines += [*comment(namespace.description), f"namespace {namespace.name} {{", ""]
    for function in namespace.functions:
        lines += [*comment(function.description), function_type(function.name, function.parameters), ""]
    return "\n".join([*lines, f"}} // namespace {namespace.name}"])


def _format_section(response_format: ResponseFormat) -> str:
    try:
        schema = json.dumps(
            response_format.schema, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(
            f"the schema of response format {response_format.name!r} is not JSON: {error}"
        ) from None
    return "\n".join([f"## {response_format.name}", "", *comment(response_format.description), schema])
