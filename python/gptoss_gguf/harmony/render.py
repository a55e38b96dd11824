"""Messages -> token ids. Text goes through `Tokenizer.encode` only, so it never becomes a control token.

A message reads
    <|start|>author[ to=recipient][<|channel|>channel][ content type]<|message|>content<|end|>
and of the assistant, as the model itself writes it and so as its own tokens in the cache stand,
    <|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{...}<|call|>

Nothing is dropped here: what of the history belongs in a prompt is decided in `policy`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gptoss_gguf.harmony.message import CONSTRAIN, Message, Role

if TYPE_CHECKING:
    from gptoss_gguf.tokenizer import Tokenizer


def render_message(tokenizer: "Tokenizer", message: Message) -> list[int]:
    """Token ids of one message, from <|start|> to <|end|>, or <|call|> where it calls a tool.

    Raises RequestError if the vocabulary lacks a control token that the message needs.
    """
    if message.token_ids:
        return list(message.token_ids)
    ids = _header(tokenizer, message)
    ids += tokenizer.encode(message.content or "")
    return [*ids, tokenizer.special("<|call|>" if message.is_tool_call else "<|end|>")]


def render_conversation(tokenizer: "Tokenizer", messages: Iterable[Message]) -> list[int]:
    """Token ids of the messages, one after the other."""
    return [token for message in messages for token in render_message(tokenizer, message)]


def render_for_completion(
    tokenizer: "Tokenizer", messages: Iterable[Message], next_role: Role = "assistant"
) -> list[int]:
    """Token ids of the messages and of the start of the next one, which the model continues."""
    ids = render_conversation(tokenizer, messages)
    return [*ids, tokenizer.special("<|start|>"), *tokenizer.encode(next_role)]


def render_for_training(tokenizer: "Tokenizer", messages: Iterable[Message]) -> list[int]:
    """Token ids of the messages, ended with <|return|> where the last one is the assistant's final answer."""
    messages = list(messages)
    ids = render_conversation(tokenizer, messages)
    last = messages[-1] if messages else None
    if last and last.role == "assistant" and last.channel == "final" and not last.is_tool_call:
        ids[-1] = tokenizer.special("<|return|>")
    return ids


def _header(tokenizer: "Tokenizer", message: Message) -> list[int]:
    """Token ids from <|start|> to <|message|>."""
    is_channel_first = message.role == "assistant" and message.channel is not None
    to = "" if message.recipient in (None, "all") else f" to={message.recipient}"
    ids = [tokenizer.special("<|start|>")]
    text = message.author if is_channel_first else message.author + to
    if message.channel is not None:
        ids += [*tokenizer.encode(text), tokenizer.special("<|channel|>")]
        text = message.channel + to if is_channel_first else message.channel
    if message.content_type is not None:
        text += " "
        if message.content_type.startswith(CONSTRAIN):
            ids += [*tokenizer.encode(text), tokenizer.special(CONSTRAIN)]
            text = ""
        text += message.content_type.removeprefix(CONSTRAIN)
    return [*ids, *tokenizer.encode(text), tokenizer.special("<|message|>")]
