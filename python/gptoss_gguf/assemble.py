"""Turns the engine's chunks of tokens into chunks of text, and those into a whole output."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gptoss_gguf.detokenize import Detokenizer, StopStrings
from gptoss_gguf.output import Chunk, FinishReason, Output, Timing, TokenLogprob, Usage

if TYPE_CHECKING:
    from gptoss_gguf import _native
    from gptoss_gguf.tokenizer import Tokenizer

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "cancelled": "cancelled",
    "timeout": "timeout",
}


class Assembler:
    """The text side of one completion.

    Control tokens that do not end the completion appear in the text under their names: a raw completion
    shows what the model wrote.
    """

    def __init__(
        self,
        tokenizer: "Tokenizer",
        *,
        n_prompt: int,
        stop_tokens: Iterable[int],
        stop_strings: Iterable[str],
        with_logprobs: bool,
    ) -> None:
        self._detokenizer = Detokenizer(tokenizer)
        self._stop_tokens = frozenset(stop_tokens)
        self._stops = StopStrings(tuple(stop_strings))
        self._with_logprobs = with_logprobs
        self._n_prompt = n_prompt
        self._n_completion = 0
        self.finished = False

    def feed(self, native: "_native.Chunk") -> Chunk | None:
        """The chunk to hand out, or None where there is nothing to say yet (the prompt is being computed).

        Sets `finished` with the last one, which a stop string can bring about before the engine does; the
        tokens after it count as never sampled.
        """
        text, n_taken = "", 0
        tokens = native.token_ids  # each access copies the list
        for token in tokens:
            n_taken += 1
            if token in self._stop_tokens:
                break
            text += self._stops.feed(self._detokenizer.feed(token))
            if self._stops.found is not None:
                break
        self._n_completion += n_taken
        stats = native.stats
        reason = self._finish_reason(native)
        if reason is not None:
            text += self._stops.feed(self._detokenizer.flush()) + self._stops.flush()
            self.finished = True
        elif not n_taken:
            return None
        return Chunk(
            text=text,
            reasoning="",
            tool_calls=(),
            token_ids=tuple(tokens[:n_taken]),
            logprobs=_logprobs(native, n_taken) if self._with_logprobs else None,
            finish_reason=reason,
            usage=None if reason is None else Usage(self._n_prompt, self._n_completion, stats.n_cached),
            timing=None if reason is None else _timing(stats),
        )

    def _finish_reason(self, native: "_native.Chunk") -> FinishReason | None:
        if self._stops.found is not None:
            return "stop"
        return None if native.finish_reason is None else _REASONS[native.finish_reason]


def _timing(stats: "_native.RequestStats") -> Timing:
    return Timing(
        stats.queue_seconds,
        stats.prefill_seconds,
        stats.decode_seconds,
        stats.n_drafted,
        stats.n_accepted,
        stats.n_preempted,
    )


def _logprobs(native: "_native.Chunk", n: int) -> tuple[TokenLogprob, ...]:
    rows = zip(native.token_ids[:n], native.logprobs[:n], native.top_logprobs[:n], strict=True)
    return tuple(TokenLogprob(token, logprob, tuple(top)) for token, logprob, top in rows)


def join(chunks: list[Chunk]) -> Output:
    """The whole completion; the last of `chunks` is the one that finished it."""
    last = chunks[-1]
    assert last.finish_reason is not None
    assert last.usage is not None
    assert last.timing is not None
    with_logprobs = last.logprobs is not None
    return Output(
        text="".join(c.text for c in chunks),
        reasoning="".join(c.reasoning for c in chunks),
        tool_calls=tuple(call for c in chunks for call in c.tool_calls),
        token_ids=tuple(token for c in chunks for token in c.token_ids),
        logprobs=tuple(row for c in chunks for row in c.logprobs or ()) if with_logprobs else None,
        finish_reason=last.finish_reason,
        usage=last.usage,
        timing=last.timing,
    )
