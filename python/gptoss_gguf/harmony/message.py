"""A Harmony message: who speaks, to whom, on which channel, and what."""

from dataclasses import dataclass
from typing import Literal, get_args

from gptoss_gguf.errors import RequestError

Role = Literal["system", "developer", "user", "assistant", "tool"]
CHANNELS = ("analysis", "commentary", "final")
CONSTRAIN = "<|constrain|>"


@dataclass(frozen=True, slots=True)
class Message:
    """One message; it renders literally, nothing is added, dropped or moved.

    name: a tool's full name ("functions.f", "python"), required with role "tool"; else an optional speaker.
    recipient: "functions.f" in a call of a function, "assistant" in its result; "all" is the same as None.
    content_type: as the header has it: "<|constrain|>json" (its mark becomes the control token) or "code".
    token_ids: the whole message from <|start|> to its last token, as it was sampled. Where they are known
        they are the message: rendering copies them and reads no other field.

    Raises RequestError where a header field is empty or has white space in it, since it would read as
    another field, and where there is neither content nor token_ids.
    """

    role: Role
    name: str | None = None
    recipient: str | None = None
    channel: str | None = None
    content_type: str | None = None
    content: str | None = None
    token_ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise RequestError(f"role {self.role!r} is not one of {', '.join(get_args(Role))}")
        for field in ("name", "recipient", "channel", "content_type"):
            value = getattr(self, field)
            if value is not None:
                check_word(f"the {field} of the {self.role} message", value)
        if self.role == "tool" and self.name is None:
            raise RequestError("a tool message needs the tool's name, such as 'functions.get_weather'")
        if self.content is None and not self.token_ids:
            raise RequestError(f"the {self.role} message has neither content nor token ids")
        if self.content is not None and not isinstance(self.content, str):
            raise RequestError(f"the content of the {self.role} message must be a str")

    @property
    def author(self) -> str:
        """The first word of the header."""
        if self.role == "tool":
            return str(self.name)
        return self.role if self.name is None else f"{self.role}:{self.name}"

    @property
    def is_tool_call(self) -> bool:
        """The assistant asks a tool; the message ends with <|call|>."""
        return self.role == "assistant" and self.recipient not in (None, "all")


def check_word(what: str, value: str) -> None:
    """Raises RequestError unless `value` is one word; `what` names it in the message."""
    if not isinstance(value, str) or not value or any(char.isspace() for char in value):
        raise RequestError(f"{what} is {value!r}: it must be a str that is not empty and has no white space")


def function_call(function: str, arguments: str, *, channel: str = "commentary") -> Message:
    """The assistant's call of a function of the developer message. arguments: their JSON text."""
    return Message(
        "assistant",
        recipient=f"functions.{function}",
        channel=channel,
        content_type=f"{CONSTRAIN}json",
        content=arguments,
    )


def function_result(function: str, output: str, *, channel: str = "commentary") -> Message:
    """What a function of the developer message gave back."""
    return Message(
        "tool", name=f"functions.{function}", recipient="assistant", channel=channel, content=output
    )
