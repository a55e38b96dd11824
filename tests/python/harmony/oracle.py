"""Our messages and contents through oss-harmony, the community's fork of the official library."""

from collections.abc import Iterable
from functools import cache
from importlib import metadata
from typing import Any

import pytest
from gptoss_gguf.harmony import (
    BROWSER,
    DeveloperContent,
    Message,
    SystemContent,
    developer_message,
    system_message,
)

try:
    metadata.version("oss-harmony")
    import openai_harmony as theirs
except (ImportError, metadata.PackageNotFoundError):
    pytest.skip("needs oss-harmony, of the extra [test]", allow_module_level=True)

# One message twice: as we take it, and as they do.
Pair = tuple[Message, theirs.Message]


@cache
def encoding() -> theirs.HarmonyEncoding:
    return theirs.load_harmony_encoding("HarmonyGptOss")


def render(messages: Iterable[theirs.Message], *, drops: bool = False) -> list[int]:
    """Ids of the messages and of the start of the assistant's next one."""
    config = theirs.RenderConversationConfig(auto_drop_analysis=drops)
    conversation = theirs.Conversation.from_messages(list(messages))
    ids: list[int] = encoding().render_conversation_for_completion(
        conversation, theirs.Role.ASSISTANT, config
    )
    return ids


def text(message: theirs.Message) -> str:
    """Text of one message."""
    return encoding().decode(encoding().render(message))


def plain(message: Message) -> Pair:
    """A message whose content is text."""
    author = theirs.Author(role=theirs.Role(message.role), name=message.name)
    made = theirs.Message.from_author_and_content(author, message.content)
    made.channel, made.recipient = message.channel, message.recipient
    made.content_type = message.content_type
    return message, made


def system(content: SystemContent) -> Pair:
    made = theirs.SystemContent(
        model_identity=content.identity,
        knowledge_cutoff=content.knowledge_cutoff,
        conversation_start_date=content.current_date,
        reasoning_effort=content.reasoning_effort and content.reasoning_effort.capitalize(),
    ).with_required_channels(list(content.channels))
    for tool in content.tools:
        made = made.with_browser_tool() if tool is BROWSER else made.with_python_tool()
    return system_message(content), theirs.Message.from_role_and_content(theirs.Role.SYSTEM, made)


def developer(content: DeveloperContent) -> Pair:
    """Instructions and functions; response formats they do not know."""
    made = theirs.DeveloperContent.new()
    if content.instructions is not None:
        made = made.with_instructions(content.instructions)
    if content.functions:
        made = made.with_function_tools(
            [
                theirs.ToolDescription.new(
                    tool.name,
                    tool.description,
                    None if tool.parameters is None else dict(tool.parameters),
                )
                for tool in content.functions
            ]
        )
    return developer_message(content), theirs.Message.from_role_and_content(theirs.Role.DEVELOPER, made)


def type_text(schema: Any) -> str:
    """The type that they write for a schema."""
    tool = theirs.ToolDescription.new("f", "", schema)
    content = theirs.DeveloperContent.new().with_function_tools([tool])
    message = text(theirs.Message.from_role_and_content(theirs.Role.DEVELOPER, content))
    return message.partition("type f = (_: ")[2].rpartition(") => any;")[0]
