"""Splits the tokens that the model writes into channels, as they come."""

from typing import TYPE_CHECKING

from gptoss_gguf.detokenize import Detokenizer
from gptoss_gguf.harmony.message import CHANNELS

if TYPE_CHECKING:
    from gptoss_gguf.tokenizer import Tokenizer

_MOST_HEADER_TOKENS = 48  # a header is some ten tokens; what goes on longer is text without its <|message|>


class ChannelSplitter:
    """Splits the assistant's tokens into (channel, text) as they come. Total: takes any tokens, never raises.

    Begins where `render_for_completion` ends. What is malformed is read as the text that it most likely is:
    text without a header belongs to "final", an unknown channel too, an unfinished header ends where the
    next message starts, and a header that does not end is text.
    """

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer
        self._name_of = {token: name for name, token in tokenizer.specials.items()}
        self._detokenizer = Detokenizer(tokenizer)
        self._in_content = False
        self._channel = "final"
        self._has_role = True  # the prompt ended with the role
        self._has_channel = False
        self._header: list[int] = []  # text tokens since <|start|> or <|channel|>

    def feed(self, token_id: int) -> list[tuple[str, str]]:
        """What this token adds: usually one piece or none. Ids that are no tokens add nothing."""
        if not 0 <= token_id < self._tokenizer.n_vocab:
            return []
        name = self._name_of.get(token_id)
        if name is None:
            return self._text(token_id)
        if name == "<|message|>":
            pieces = self._close()
            self._enter_content(self._channel_of_header())
            return pieces
        if name in ("<|start|>", "<|channel|>", "<|end|>", "<|return|>", "<|call|>", "<|endoftext|>"):
            pieces = self._close() if self._in_content else self._abandon_header(name)
            self._in_content, self._header = False, []
            self._has_channel = name == "<|channel|>"
            self._has_role = self._has_channel
            return pieces
        return []  # <|constrain|> and the reserved ones carry no text

    def flush(self) -> list[tuple[str, str]]:
        """Ends the answer: what was still open."""
        return self.feed(self._tokenizer.special("<|endoftext|>"))

    def _text(self, token_id: int) -> list[tuple[str, str]]:
        if self._in_content:
            return self._piece(self._detokenizer.feed(token_id))
        self._header.append(token_id)
        if self._has_role and not self._has_channel and not self._may_be_recipient():
            return self._header_as_text()  # an answer without any header
        if len(self._header) > _MOST_HEADER_TOKENS:
            return self._header_as_text()
        return []

    def _may_be_recipient(self) -> bool:
        text = self._header_text().lstrip()
        return text.startswith("to=") or "to=".startswith(text)

    def _header_text(self) -> str:
        return self._tokenizer.decode(self._header)

    def _channel_of_header(self) -> str:
        text = self._header_text().strip().lower() if self._has_channel else ""
        return next((channel for channel in CHANNELS if text.startswith(channel)), "final")

    def _abandon_header(self, name: str) -> list[tuple[str, str]]:
        """A header that another token cuts short holds text, unless it only names a role or a channel."""
        text = self._header_text().strip()
        is_plain = text in ("", "assistant", *CHANNELS) or text.startswith("to=")
        if is_plain or name == "<|channel|>":  # a second <|channel|> replaces the first
            return []
        return [*self._header_as_text(), *self._close()]

    def _header_as_text(self) -> list[tuple[str, str]]:
        channel = self._channel_of_header()
        text = self._header_text()
        if self._has_channel and text.strip().lower().startswith(channel):
            text = text.lstrip()[len(channel) :].lstrip()
        self._enter_content(channel)
        return self._piece(text)

    def _enter_content(self, channel: str) -> None:
        self._in_content, self._channel, self._header = True, channel, []

    def _close(self) -> list[tuple[str, str]]:
        return self._piece(self._detokenizer.flush())

    def _piece(self, text: str) -> list[tuple[str, str]]:
        return [(self._channel, text)] if text else []
