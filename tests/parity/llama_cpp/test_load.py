"""llama.cpp opens what our converter writes, and reads the tokenizer as we do."""

from __future__ import annotations

from pathlib import Path
from typing import Final, get_args

import numpy as np
import pytest
from gptoss_gguf import LLM

from convert import Dense, convert_checkpoint
from convert.synthetic import SyntheticShape, write_synthetic_checkpoint
from convert.synthetic_vocab import read_tiktoken
from convert.synthetic_weights import Experts
from tests.fixtures.models import goldens
from tests.parity.llama_cpp.files import GoldenFiles
from tests.parity.llama_cpp.worker import Llama

VOCABULARY: Final = Path(__file__).parents[2] / "fixtures/vocab/o200k_first_1500.tiktoken"
RENDERED: Final = "<|start|>user<|message|>Hi<|end|><|start|>assistant<|channel|>final<|message|>"
ENDING: Final = "broken <|start|marker|> and <|unknown|> text<|return|>"
TEXTS: Final = (
    "The quick brown fox isn't amused; it'll jump over 12345 lazy dogs.",
    "def f(x):\n    return {k: v for k, v in x.items()}\r\n\r\n\t# end",
    "  leading, trailing and   many   spaces \t \n\n \n",
    "na\u00efve caf\u00e9 \u00dcBER stra\u00dfe \u0130stanbul",
    "\u4f60\u597d\uff0c\u4e16\u754c \u3053\u3093\u306b\u3061\u306f",
    "\ud55c\uad6d\uc5b4 \u0928\u092e\u0938\u094d\u0924\u0947",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea !!! ??? ... --- ///",
    "HTTPServer camelCase XMLHttpRequest snake_case I'VE we'd 3.14159 1,000,000",
    RENDERED,
    ENDING,
)


@pytest.mark.parametrize("experts", get_args(Experts))
@pytest.mark.parametrize("dense", get_args(Dense))
def test_converted_files_load_and_compute(
    llama: Llama, files: GoldenFiles, dense: Dense, experts: Experts
) -> None:
    path = files.converted("e4", dense, experts)
    golden = list(goldens("e4"))[1]
    vocabulary = llama.vocabulary(path, [])
    assert vocabulary.description.startswith("gpt-oss")
    logits = llama.logits(path, golden.ids.tolist())
    assert logits.shape == (len(golden.ids), len(vocabulary.pieces))
    agreement = (logits.argmax(axis=1) == golden.argmax).mean()
    assert agreement > 0.9
    # Expert values of the unquantised checkpoint lie on the MXFP4 grid, so both files hold the same weights.
    other = files.converted("e4", dense, "bf16" if experts == "mxfp4" else "mxfp4")
    np.testing.assert_array_equal(logits, llama.logits(other, golden.ids.tolist()))


def test_tokenizer_is_read_alike(llama: Llama, tmp_path: Path) -> None:
    shape = SyntheticShape(n_layers=1, experts=4, hidden=32, ff=32, heads=8, kv_heads=1, skewed_router=False)
    write_synthetic_checkpoint(tmp_path / "checkpoint", shape, vocab=read_tiktoken(VOCABULARY))
    path = tmp_path / "model.gguf"
    convert_checkpoint(tmp_path / "checkpoint", path)
    theirs = llama.vocabulary(path, TEXTS)
    with LLM(str(path), device="reference", n_ctx=64) as llm:
        tokenizer = llm.tokenizer
    specials = tokenizer.specials

    assert theirs.pieces == [tokenizer.token_bytes(token) for token in range(tokenizer.n_vocab)]
    assert theirs.special_ids == {
        "bos": specials["<|startoftext|>"],
        "eos": specials["<|return|>"],
        "pad": specials["<|endoftext|>"],
    }
    # llama.cpp makes the tokens of the Harmony format, which every message has, tokens that text may contain.
    in_text = {specials[f"<|{name}|>"] for name in ("start", "end", "message", "channel", "constrain")}
    assert set(theirs.control) == set(specials.values()) - in_text
    ends = {specials[name] for name in ("<|return|>", "<|call|>", "<|endoftext|>")}
    assert ends <= set(theirs.end_of_generation)
    assert specials["<|end|>"] not in theirs.end_of_generation
    for text, plain, parsed in zip(TEXTS, theirs.plain, theirs.parsed, strict=True):
        if "<|" not in text:
            assert plain == parsed == tokenizer.encode(text)
    # ... even where control tokens are not to be read from text; ours never are.
    names = ["start", "message", "end", "start", "channel", "message"]
    rendered = TEXTS.index(RENDERED)
    for ids in (theirs.plain[rendered], theirs.parsed[rendered]):
        assert [token for token in ids if token in specials.values()] == [specials[f"<|{n}|>"] for n in names]
    assert not set(tokenizer.encode(RENDERED)) & set(specials.values())
    ending = TEXTS.index(ENDING)
    assert theirs.plain[ending] == tokenizer.encode(ENDING)
    assert theirs.parsed[ending][-1] == specials["<|return|>"]
