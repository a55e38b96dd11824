"""`gptoss` over the scripted engine, for tests that need a process: python fake_cli.py TOKENS ARGS...

TOKENS is what the engine says, control tokens written out, with "..." for "go on with 'and so on' for ever".
Run as `python -m tests.python.fake_cli` from the top of the repository.
"""

import re
import sys
from collections.abc import Iterable

from gptoss_gguf import loading, session
from gptoss_gguf.cli import main

from . import fake_native
from .vocabulary import small_tokenizer


def script_for(text: str) -> fake_native.Script:
    tokenizer = small_tokenizer()

    def script(request: fake_native.Request) -> Iterable[fake_native.Step]:
        for part in re.split(r"(<\|[a-z]+\|>|\.\.\.)", text):
            while part == "...":
                yield 0.005
                yield from (fake_native.Chunk([token]) for token in tokenizer.encode(" and so on"))
            ids = [tokenizer.special(part)] if part in tokenizer.specials else tokenizer.encode(part)
            for token in ids:
                yield fake_native.Chunk([token], "stop" if token in request.stop_tokens else None)
        yield fake_native.Chunk([], "length")

    return script


if __name__ == "__main__":
    for module in (session, loading):
        setattr(module, "_native", fake_native)  # noqa: B010  # the type checker knows it as a module of its own
    fake_native.Engine.script = staticmethod(script_for(sys.argv.pop(1)))
    sys.exit(main())
