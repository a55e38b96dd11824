"""A strict reader of what the model writes: anything that is not exactly Harmony is an error.

The product's own parser is the opposite, it makes the best of whatever comes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gptoss_gguf.tokenizer import Tokenizer

_HEADER: Final = re.compile(r"(analysis|commentary|final)(?: to=(functions\.[^\s.]+) )?")


@dataclass(frozen=True)
class Written:
    """One message of the assistant. recipient: the function that it calls, as "functions.f"."""

    channel: str
    recipient: str | None
    content: str


def read_answer(tokenizer: Tokenizer, ids: Sequence[int]) -> list[Written]:
    """The messages of a whole answer, from after "<|start|>assistant" to <|return|> or <|call|>.

    Raises ValueError saying what is malformed.
    """
    stops = {tokenizer.special(name): name for name in ("<|return|>", "<|call|>")}
    if not ids or ids[-1] not in stops:
        raise ValueError("the answer does not end with <|return|> or <|call|>")
    between = [tokenizer.special("<|end|>"), tokenizer.special("<|start|>"), *tokenizer.encode("assistant")]
    messages = [_read_message(tokenizer, part) for part in _split(list(ids[:-1]), between)]
    *thoughts, last = messages
    if any(message.channel != "analysis" for message in thoughts):
        raise ValueError("only reasoning may stand before the last message")
    wanted = ("final", False) if stops[ids[-1]] == "<|return|>" else ("commentary", True)
    if (last.channel, last.recipient is not None) != wanted:
        raise ValueError(f"{last.channel} to {last.recipient} ends with {stops[ids[-1]]}")
    return messages


def _split(ids: list[int], between: list[int]) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    place = 0
    while place < len(ids):
        if ids[place : place + len(between)] == between:
            parts.append([])
            place += len(between)
        else:
            parts[-1].append(ids[place])
            place += 1
    return parts


def _read_message(tokenizer: Tokenizer, ids: list[int]) -> Written:
    """One message, from <|channel|> to before its last token."""
    channel, constrain, start = map(tokenizer.special, ("<|channel|>", "<|constrain|>", "<|message|>"))
    if not ids or ids[0] != channel or start not in ids:
        raise ValueError("a message has no <|channel|> or no <|message|>")
    cut = ids.index(start)
    header, content = ids[1:cut], ids[cut + 1 :]
    is_json = constrain in header
    if is_json and header[header.index(constrain) :] != [constrain, *tokenizer.encode("json")]:
        raise ValueError("something else than json stands after <|constrain|>")
    words = header[: header.index(constrain)] if is_json else header
    if any(token in tokenizer.specials.values() for token in words + content):
        raise ValueError("a control token stands within a message")
    found = _HEADER.fullmatch(tokenizer.decode(words))
    if not found or (found[2] is not None) != is_json:
        raise ValueError(f"the header is {tokenizer.decode(words)!r}")
    return Written(found[1], found[2], tokenizer.decode_bytes(content).decode("utf-8"))
