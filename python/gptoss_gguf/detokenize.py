"""Turns a stream of tokens into text: whole characters only, cut at stop strings."""

import codecs
from collections.abc import Sequence

from gptoss_gguf.tokenizer import Tokenizer


class Detokenizer:
    """Incremental decoder. The pieces joined equal `tokenizer.decode` of all the tokens.

    A character whose bytes are spread over tokens comes out with its last byte; bytes that cannot become
    UTF-8 come out as U+FFFD at once.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token_id: int) -> str:
        """The text that this token completes; may be empty."""
        return self._decoder.decode(self._tokenizer.token_bytes(token_id))

    def flush(self) -> str:
        """Ends the text: what is left of an incomplete character, as U+FFFD."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text


class StopStrings:
    """Finds the first stop string in a text that arrives in pieces of any size.

    The text ends where a stop string is first complete; of several that end there the longest counts. The
    result does not depend on the pieces. Text is held back only while it could still become a stop string.
    One Knuth-Morris-Pratt automaton per string: constant time per character, whatever the lengths.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = sorted(strings, key=len, reverse=True)  # so that the longest is found first
        self._failures = [_failure_table(s) for s in self._strings]
        self._matched = [0] * len(self._strings)  # per string: how much of it the text ends with
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """The text that can be shown now. Once `found` is set, the text has ended and nothing more comes."""
        if not self._strings:
            return text
        if self.found is not None:
            return ""
        pending = self._held + text
        for index, char in enumerate(text, start=len(self._held) + 1):
            hit = self._advance(char)
            if hit is not None:
                self.found, self._held = hit, ""
                return pending[: index - len(hit)]
        shown = len(pending) - max(self._matched)
        self._held = pending[shown:]
        return pending[:shown]

    def flush(self) -> str:
        """Ends the text: what was held back."""
        held, self._held = self._held, ""
        return held

    def _advance(self, char: str) -> str | None:
        hit = None
        for i, (string, failure) in enumerate(zip(self._strings, self._failures, strict=True)):
            n = self._matched[i]
            while n and string[n] != char:
                n = failure[n - 1]
            n += string[n] == char
            if n == len(string):
                hit = hit or string
                n = failure[n - 1]
            self._matched[i] = n
        return hit


def _failure_table(string: str) -> list[int]:
    """Entry i: length of the longest proper prefix of string[:i + 1] that is also its suffix."""
    table = [0] * len(string)
    n = 0
    for i in range(1, len(string)):
        while n and string[i] != string[n]:
            n = table[n - 1]
        n += string[i] == string[n]
        table[i] = n
    return table
