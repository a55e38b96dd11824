"""`gptoss run`: one answer, or a chat."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

from gptoss_gguf.cli.terminal import AnswerPrinter, PromptProgress
from gptoss_gguf.errors import RequestError
from gptoss_gguf.harmony import (
    ChannelSplitter,
    Message,
    ReasoningEffort,
    SystemContent,
    render_for_completion,
    system_message,
)
from gptoss_gguf.llm import LLM
from gptoss_gguf.output import Chunk
from gptoss_gguf.params import SamplingParams

_HINT = "Ctrl-C stops an answer, Ctrl-D leaves."


def run_model(
    prompt: str | None,
    *,
    model: str | None,
    params: SamplingParams,
    reasoning_effort: str,
    raw: bool,
    device: str,
    n_ctx: int,
    n_threads: int,
    compute: str = "auto",
    weights_cache: bool = True,
    cache_dir: Path | None = None,
    cache_disk_gb: float = 8,
) -> None:
    """Answers the prompt, that from the pipe where it is None or "-", or those that the user types."""
    is_chat = prompt is None and sys.stdin.isatty() and sys.stdout.isatty()
    if not is_chat and prompt in (None, "-"):
        prompt = sys.stdin.read()
    if prompt is not None and not (prompt if raw else prompt.strip()):
        raise RequestError("the prompt is empty")
    with LLM(
        model,
        device=device,
        compute=compute,
        n_ctx=n_ctx,
        n_threads=n_threads,
        weights_cache=weights_cache,
        cache_dir=cache_dir,
        cache_disk_gb=cache_disk_gb,
    ) as llm:
        conversation = _Conversation(llm, params, cast(ReasoningEffort, reasoning_effort), raw=raw)
        if prompt is not None:
            conversation.answer(prompt)
        else:
            chat(conversation.answer)


def chat(answer: Callable[[str], None]) -> None:
    """Reads prompts from the terminal until Ctrl-D. Ctrl-C stops the answer, or clears the line."""
    import readline  # noqa: F401  # gives input() editing and history

    print(_HINT, file=sys.stderr)
    while True:
        try:
            prompt = input("> ")
            if prompt.strip():
                answer(prompt)
        except RequestError as error:  # such as a conversation that the context no longer holds
            print(f"error: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print()
        except EOFError:
            print()
            return


class _Conversation:
    """The messages so far, and the model that writes the next one. With `raw` there is only the prompt."""

    def __init__(self, llm: LLM, params: SamplingParams, effort: ReasoningEffort, *, raw: bool) -> None:
        self._llm = llm
        self._params = params
        self._raw = raw
        self._messages = [] if raw else [system_message(SystemContent(reasoning_effort=effort))]

    def answer(self, prompt: str) -> None:
        """Prints the answer as it comes. Whatever ends it early, what was said stays in the conversation."""
        asked = [*self._messages, Message("user", content=prompt)]
        tokenizer = self._llm.tokenizer
        ids = tokenizer.encode(prompt) if self._raw else render_for_completion(tokenizer, asked)
        printer = AnswerPrinter()
        final: list[str] = []
        stats = _Stats()
        progress = PromptProgress()
        is_asked = True
        try:
            chunks = self._llm.stream(ids, self._params, on_prompt=progress.update)
            for channel, text in self._pieces(stats.watch(chunks)):
                printer.write(channel, text)
                if channel == "final":
                    final.append(text)
        except RequestError:
            is_asked = False  # it does not fit, say: the conversation goes on without it
            raise
        finally:
            if is_asked and not self._raw:
                self._messages = [*asked, Message("assistant", channel="final", content="".join(final))]
            progress.clear()
            printer.end()
        stats.show()

    def _pieces(self, chunks: Iterable[Chunk]) -> Iterator[tuple[str, str]]:
        """(channel, text) of the chunks."""
        if self._raw:
            for chunk in chunks:
                yield "final", chunk.text
            return
        splitter = ChannelSplitter(self._llm.tokenizer)
        for chunk in chunks:
            for token in chunk.token_ids:
                yield from splitter.feed(token)
        yield from splitter.flush()


class _Stats:
    """Times a stream."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._first = self._last = 0.0
        self._n_first = 0  # tokens that came with the first chunk
        self._chunk: Chunk | None = None
        self._n_tokens = 0

    def watch(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self._last = time.perf_counter()
            if self._chunk is None:
                self._first, self._n_first = self._last, len(chunk.token_ids)
            self._chunk = chunk
            self._n_tokens += len(chunk.token_ids)
            yield chunk

    def show(self) -> None:
        """One line on stderr, if that is a terminal."""
        if self._chunk is None or self._chunk.usage is None or not sys.stderr.isatty():
            return
        seconds = self._last - self._first
        rate = f", {(self._n_tokens - self._n_first) / seconds:.1f} tokens/s" if seconds > 0 else ""
        reason = {"length": ", cut off at the limit", "cancelled": ", cancelled"}.get(
            self._chunk.finish_reason or "", ""
        )
        print(
            f"[{self._chunk.usage.prompt_tokens} prompt tokens, first token after "
            f"{self._first - self._begin:.2f} s, {self._n_tokens} tokens{rate}{reason}]",
            file=sys.stderr,
        )
