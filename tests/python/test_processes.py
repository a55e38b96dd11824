"""The real engine seen from outside: terminals, signals, forks, system limits, damaged files, wrong types."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gptoss_gguf import LLM, SamplingParams
from gptoss_gguf.convert import convert_checkpoint
from gptoss_gguf.convert.synthetic import TINY, write_synthetic_checkpoint
from gptoss_gguf.errors import ModelFileError, RequestError

from .test_cli import Terminal
from .test_end_to_end import eventually


def test_a_question_that_does_not_fit_does_not_end_the_chat(model: str) -> None:
    command = [sys.executable, "-m", "gptoss_gguf", "run", "-m", model, "-c", "700", "-n", "3"]
    terminal = Terminal(command)
    terminal.wait_for("> ")
    for _ in range(2):
        terminal.type("a b c " * 300 + "\n")
        terminal.wait_for(r"error: the prompt has \d+ tokens")
        terminal.wait_for("> ")
        terminal.type("hi\n")
        terminal.wait_for(r", [1-3] tokens[,\]]")  # a random model may end its answer early
        terminal.wait_for("> ")
    terminal.type("\x04")
    assert terminal.exit_status() == 0


def test_progress_of_a_long_prompt(model: str) -> None:
    with LLM(model, n_batch=64) as llm:
        seen: list[tuple[int, int]] = []
        params = SamplingParams(max_tokens=2, ignore_eos=True)
        chunks = list(llm.stream([7] * 300, params, on_prompt=lambda done, n: seen.append((done, n))))
    assert sum(len(chunk.token_ids) for chunk in chunks) == 2
    assert seen == sorted(set(seen))
    assert seen[-1] == (300, 300)
    assert all(done in (64, 128, 192, 256, 300) for done, _ in seen)  # what was merged may be missing


def test_the_terminal_shows_how_far_a_long_prompt_is(model: str) -> None:
    # Seconds of work in steps of 512 tokens.
    code = (
        "import sys; from gptoss_gguf.cli import run; from gptoss_gguf import SamplingParams;"
        "run.run_model('a b c ' * 6000, model=sys.argv[1], params=SamplingParams(max_tokens=3),"
        " reasoning_effort='low', raw=True, device='auto', n_ctx=0, n_threads=1)"
    )
    terminal = Terminal([sys.executable, "-c", code, model])
    terminal.wait_for(r"reading the prompt: [\d,]+ of [\d,]+ tokens")
    terminal.type("\x03")
    assert terminal.exit_status() != 0


@pytest.mark.parametrize("wrong", [{"n_ctx": "a"}, {"n_threads": -1}, {"n_batch": True}, {"device": None}])
def test_wrong_options_are_request_errors(model: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=next(iter(wrong))):
        LLM(model, **wrong)


@pytest.mark.parametrize("wrong", [{"max_tokens": 3}, 5])
def test_wrong_types_are_request_errors(llm: LLM, wrong: Any) -> None:
    with pytest.raises(RequestError, match="SamplingParams"):
        llm.generate("a", wrong)
    with pytest.raises(RequestError, match="bytes"):
        llm.generate(b"abc")  # type: ignore[arg-type]


def test_damaged_headers_are_refused_or_work(tmp_path: Path) -> None:
    """Bytes of header, metadata and tensor table changed at random, through tokenizer, loader and engine."""
    checkpoint, path = tmp_path / "tiny", tmp_path / "damaged.gguf"
    write_synthetic_checkpoint(checkpoint, TINY)
    convert_checkpoint(checkpoint, path)
    sound = path.read_bytes()
    n_header = sound.rindex(b"output_norm.weight") + 64
    random = np.random.default_rng(8)
    n_refused = 0
    for _ in range(1000):
        damaged = bytearray(sound)
        for position in random.integers(0, n_header, size=random.integers(1, 4)):
            damaged[position] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            with LLM(path, n_ctx=64, n_threads=1) as llm:
                llm.generate([1, 2, 3], SamplingParams(max_tokens=1))
        except (ModelFileError, RequestError):
            n_refused += 1
    assert 0 < n_refused < 1000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_conversion_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    checkpoint, out = tmp_path / "big", tmp_path / "out"
    write_synthetic_checkpoint(checkpoint, replace(TINY, n_layers=60))
    out.mkdir()
    command = [sys.executable, "-m", "gptoss_gguf", "convert", str(checkpoint), str(out / "m.gguf")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    eventually(lambda: any(out.iterdir()))
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert list(out.iterdir()) == []


def test_closed_standard_streams(model: str) -> None:
    command = f"exec {sys.executable} -m gptoss_gguf run -m {model} --raw -n 2 x >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], timeout=60, check=False).returncode == 0


def run_script(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, timeout=60)


def test_the_interpreter_may_end_while_a_thread_streams(model: str) -> None:
    script = """
import sys, threading, time
from gptoss_gguf import LLM, SamplingParams
llm = LLM(sys.argv[1])
begun = threading.Event()
def stream():
    for _ in llm.stream("a", SamplingParams(ignore_eos=True)):
        begun.set()
threading.Thread(target=stream, daemon=True).start()
assert begun.wait(30)
"""
    for _ in range(5):
        done = run_script(script, model)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_child_is_told_and_the_parent_goes_on(model: str) -> None:
    script = """
import os, sys
from gptoss_gguf import LLM, RequestError, SamplingParams
params = SamplingParams(max_tokens=3, temperature=0, ignore_eos=True)
with LLM(sys.argv[1]) as llm:
    before = llm.generate("a", params).token_ids
    child = os.fork()
    if child == 0:
        try:
            llm.generate("a", params)
        except RequestError as error:
            assert "forked" in str(error)
            llm.close()
            sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert llm.generate("a", params).token_ids == before
"""
    done = run_script(script, model)
    assert (done.returncode, done.stderr) == (0, "")


def test_hundreds_of_prompts_under_a_low_limit_of_open_files(model: str) -> None:
    script = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
from gptoss_gguf import LLM, SamplingParams
with LLM(sys.argv[1], n_ctx=256) as llm:
    outputs = llm.generate([[i % 200] for i in range(500)], SamplingParams(max_tokens=2, ignore_eos=True))
assert len(outputs) == 500 and all(len(output.token_ids) == 2 for output in outputs)
"""
    done = run_script(script, model)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["caf\u00e9.gguf", "bad\udcff.gguf"])
def test_file_names_of_any_bytes(model: str, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(ModelFileError, match=r"\.gguf"):
        LLM(path)
    os.link(model, path)
    with LLM(path, n_ctx=256) as llm:
        assert llm.generate("a", SamplingParams(max_tokens=1)).usage.completion_tokens == 1
