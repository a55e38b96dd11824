"""How an answer looks: reasoning dimmed on a terminal, nothing but the answer in a pipe."""

import os
import sys
import time
from typing import TextIO

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
# A model's text must not steer the terminal: control characters but \t and \n, and DEL to U+009F.
_CONTROLS = {c: None for c in (*range(0x20), *range(0x7F, 0xA0)) if c not in (0x09, 0x0A)}


class AnswerPrinter:
    """Writes the pieces of one answer as they come."""

    def __init__(self) -> None:
        self._answer = _Sink(sys.stdout)
        # In `gptoss run ... > file` the reasoning can still be watched.
        terminals = [stream for stream in (sys.stdout, sys.stderr) if stream.isatty()]
        self._reasoning = _Sink(terminals[0]) if terminals else None
        self._channel = ""

    def write(self, channel: str, text: str) -> None:
        """One piece of channel "final", or of another one: reasoning."""
        is_answer = channel == "final"
        sink = self._answer if is_answer else self._reasoning
        if sink is None:
            return
        if self._channel and channel != self._channel and self._reasoning is not None:
            self._reasoning.end_paragraph()
        self._channel = channel
        sink.write(text, dim=not is_answer)

    def end(self) -> None:
        """Ends the last line."""
        self._answer.end_line()
        if self._reasoning is not None:
            self._reasoning.end_line()


class PromptProgress:
    """A line on the terminal while a long prompt is computed; gone once the answer begins."""

    _PATIENCE = 1.0  # seconds; a prompt that takes less is not worth a line

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._is_shown = False

    def update(self, n_done: int, n_prompt: int) -> None:
        """`n_done` of `n_prompt` tokens are computed."""
        if n_done == n_prompt:
            self.clear()
        elif sys.stderr.isatty() and time.monotonic() - self._begin > self._PATIENCE:
            sys.stderr.write(f"\r\x1b[Kreading the prompt: {n_done:,} of {n_prompt:,} tokens")
            sys.stderr.flush()
            self._is_shown = True

    def clear(self) -> None:
        """Removes the line."""
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._is_shown = False


class _Sink:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._has_colour = (
            self._is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )
        self._at_line_start = True

    def write(self, text: str, *, dim: bool = False) -> None:
        if self._is_terminal:
            text = text.translate(_CONTROLS)
        if text:
            self._at_line_start = text.endswith("\n")
            shown = f"{_DIM}{text}{_PLAIN}" if dim and self._has_colour else text
            # A lone surrogate cannot occur; an encoding that lacks a character can.
            encoding = self._stream.encoding or "utf-8"
            self._stream.write(shown.encode(encoding, "replace").decode(encoding))
            self._stream.flush()

    def end_line(self) -> None:
        if not self._at_line_start:
            self.write("\n")

    def end_paragraph(self) -> None:
        self.end_line()
        self.write("\n")
