"""Tokens as text with the control tokens written out, and messages read back from them."""

import re
from collections.abc import Sequence

from gptoss_gguf.harmony import Message
from gptoss_gguf.tokenizer import Tokenizer

ENDS = ("<|end|>", "<|call|>", "<|return|>")
ROLES = ("system", "developer", "user", "assistant")


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a text in which control tokens are written out."""
    ids = []
    for part in re.split(r"(<\|[a-z]+\|>)", text):
        ids += [tokenizer.special(part)] if part in tokenizer.specials else tokenizer.encode(part)
    return ids


def control_tokens(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Names of the control tokens among the ids, in order."""
    name_of = {token: name for name, token in tokenizer.specials.items()}
    return [name_of[token] for token in ids if token in name_of]


def parse(tokenizer: Tokenizer, ids: Sequence[int]) -> list[Message]:
    """Messages of a well-formed conversation; fails on whatever is not exactly in form."""
    name_of = {token: name for name, token in tokenizer.specials.items()}
    messages = []
    fields: dict[str, list[int]] = {}
    field = ""
    for token in ids:
        name = name_of.get(token)
        if name is None:
            fields[field].append(token)
        elif name in ENDS:
            assert field == "<|message|>"
            messages.append(_message({key: tokenizer.decode(value) for key, value in fields.items()}, name))
            fields, field = {}, ""
        else:
            assert (name == "<|start|>") == (field == "")
            assert name not in fields
            fields[name], field = [], name
    assert not fields
    return messages


def _message(fields: dict[str, str], end: str) -> Message:
    assert list(fields) == [
        key for key in ("<|start|>", "<|channel|>", "<|constrain|>", "<|message|>") if key in fields
    ]
    author, *words = fields["<|start|>"].split(" ")
    channel = None
    if "<|channel|>" in fields:
        channel, *behind = fields["<|channel|>"].split(" ")
        assert words == [] or author != "assistant"
        words += behind
    recipient = words.pop(0).removeprefix("to=") if words and words[0].startswith("to=") else None
    content_type = words.pop(0) if words else None
    if "<|constrain|>" in fields:
        assert content_type == ""
        content_type = f"<|constrain|>{fields['<|constrain|>']}"
    assert words == []
    role, colon, name = author.partition(":")
    if role not in ROLES:
        role, colon, name = "tool", ":", author
    assert end == ("<|call|>" if role == "assistant" and recipient else "<|end|>")
    return Message(
        role,  # type: ignore[arg-type]
        name=name if colon else None,
        recipient=recipient,
        channel=channel,
        content_type=content_type,
        content=fields["<|message|>"],
    )
