"""The Harmony format: what a conversation looks like in tokens.

    messages = [system_message(), Message("user", content="Hi")]
    ids = render_for_completion(tokenizer, drop_finished_reasoning(messages))

A `Message` renders literally; `policy` decides which messages make up a prompt; system and developer
messages have typed contents. `ChannelSplitter` reads what the model answers.
"""

from gptoss_gguf.harmony.builtin_tools import BROWSER, PYTHON
from gptoss_gguf.harmony.contents import (
    DeveloperContent,
    FunctionTool,
    ReasoningEffort,
    ResponseFormat,
    SystemContent,
    ToolNamespace,
    developer_message,
    developer_text,
    system_message,
    system_text,
)
from gptoss_gguf.harmony.message import CHANNELS, Message, Role, function_call, function_result
from gptoss_gguf.harmony.policy import close_message, drop_finished_reasoning
from gptoss_gguf.harmony.render import (
    render_conversation,
    render_for_completion,
    render_for_training,
    render_message,
)
from gptoss_gguf.harmony.splitter import ChannelSplitter

__all__ = [
    "BROWSER",
    "CHANNELS",
    "PYTHON",
    "ChannelSplitter",
    "DeveloperContent",
    "FunctionTool",
    "Message",
    "ReasoningEffort",
    "ResponseFormat",
    "Role",
    "SystemContent",
    "ToolNamespace",
    "close_message",
    "developer_message",
    "developer_text",
    "drop_finished_reasoning",
    "function_call",
    "function_result",
    "render_conversation",
    "render_for_completion",
    "render_for_training",
    "render_message",
    "system_message",
    "system_text",
]
