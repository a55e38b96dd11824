"""llama.cpp opens the demo model and writes the same greedy answers to 200 held-out prompts."""

from __future__ import annotations

from pathlib import Path

from gptoss_gguf._native import ModelFile
from gptoss_gguf.models import resolve_model
from gptoss_gguf.tokenizer import Tokenizer

from tests.fixtures.demo import N_PROMPTS, demo_goldens
from tests.parity.llama_cpp.files import GoldenFiles
from tests.parity.llama_cpp.worker import Llama


def n_same_answers(llama: Llama, path: Path, *, plain: bool) -> int:
    """Led along an answer, llama.cpp prefers each of its tokens: then it would have written it, too."""
    n_same = 0
    for prompt, answer in demo_goldens():
        logits = llama.logits(path, [*prompt, *answer[:-1]], n_prefill=len(prompt), plain=plain)
        n_same += logits[len(prompt) - 1 :].argmax(axis=1).tolist() == answer
    print(f"{n_same} of {N_PROMPTS} answers are the same")
    return n_same


def test_same_greedy_answers_as_transformers_in_float32(llama: Llama, files: GoldenFiles) -> None:
    path = files.float32(resolve_model("gpt-oss-demo"))
    assert n_same_answers(llama, path, plain=True) >= 0.95 * N_PROMPTS


def test_same_greedy_answers_in_integers(llama: Llama) -> None:
    """Its default; its rounding turns answers of which the model is not sure, others on other processors."""
    assert n_same_answers(llama, resolve_model("gpt-oss-demo"), plain=False) >= 0.92 * N_PROMPTS


def test_same_tokens_of_text(llama: Llama) -> None:
    path = resolve_model("gpt-oss-demo")
    tokenizer = Tokenizer.from_metadata(ModelFile(str(path)).metadata, source=path.name)
    texts = ["What is the capital of France?", "1 + 2 = 3", " \n\tna\u00efve caf\u00e9 \U0001f600", "a" * 300]
    vocabulary = llama.vocabulary(path, texts)
    assert vocabulary.plain == [tokenizer.encode(text) for text in texts]
    assert vocabulary.special_ids["eos"] == tokenizer.special("<|return|>")
