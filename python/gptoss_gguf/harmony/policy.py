"""What of a conversation goes into the next prompt: pure functions over messages."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gptoss_gguf.harmony.message import Message

if TYPE_CHECKING:
    from gptoss_gguf.tokenizer import Tokenizer

_BUILTIN = ("browser", "python")  # their calls and results are part of the reasoning


def drop_finished_reasoning(messages: Iterable[Message]) -> list[Message]:
    """The messages without the reasoning of turns that ended in a final answer.

    A turn goes from one user message to the next. The last one is still open, and a turn that the user
    broke into before its answer keeps its reasoning too: its tool chain makes no sense without it.
    """
    *finished, last = _turns(messages)
    kept = []
    for turn in finished:
        kept += [message for message in turn if not _is_reasoning(message)] if _is_answered(turn) else turn
    return kept + last


def close_message(tokenizer: "Tokenizer", message: Message) -> Message:
    """The message as history stores it: the token that stopped the sampling gives way to <|end|> (<|call|>
    in a call of a tool), and a message that was cut short gets one. Without token ids nothing is to be done.
    """
    if not message.token_ids:
        return message
    end, call = tokenizer.special("<|end|>"), tokenizer.special("<|call|>")
    stops = (tokenizer.special("<|return|>"), tokenizer.special("<|endoftext|>"))
    ids = message.token_ids
    if ids[-1] in (end, call):
        return message
    body = ids[:-1] if ids[-1] in stops else ids
    return replace(message, token_ids=(*body, call if message.is_tool_call else end))


def _turns(messages: Iterable[Message]) -> list[list[Message]]:
    """The messages before the first user message, and then each turn."""
    turns: list[list[Message]] = [[]]
    for message in messages:
        if message.role == "user":
            turns.append([])
        turns[-1].append(message)
    return turns


def _is_answered(turn: Sequence[Message]) -> bool:
    """The assistant's last word in the turn is a final answer."""
    said = next((message for message in reversed(turn) if message.role == "assistant"), None)
    return said is not None and said.channel == "final" and not said.is_tool_call


def _is_reasoning(message: Message) -> bool:
    """On the analysis channel, and no call or result of a function: the model makes calls there too, and
    without them their results, on another channel, would answer nothing."""
    tool = message.name if message.role == "tool" else message.recipient if message.is_tool_call else None
    return message.channel == "analysis" and (tool is None or tool.partition(".")[0] in _BUILTIN)
