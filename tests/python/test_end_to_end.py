"""The real engine through the Python layer: a random tiny model, converted here, answers nonsense exactly."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gptoss_gguf import LLM, AsyncLLM, SamplingParams
from gptoss_gguf.errors import ModelFileError, RequestError

PROMPT = "The quick brown fox"
GREEDY = SamplingParams(temperature=0, max_tokens=24, ignore_eos=True)
SAMPLED = SamplingParams(max_tokens=24, seed=5, ignore_eos=True)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 10 s"
        time.sleep(0.005)


def is_idle(llm: LLM) -> bool:
    stats = llm.stats()
    return stats.n_running == 0 and stats.n_waiting == 0 and stats.n_pages_used == 0


def log_softmax(row: Any) -> Any:
    shifted = row.astype(np.float64) - row.max()
    return shifted - np.log(np.exp(shifted).sum())


def test_greedy_follows_the_logits(llm: LLM) -> None:
    prompt = llm.tokenizer.encode(PROMPT)
    output = llm.generate(PROMPT, GREEDY)
    assert len(output.token_ids) == 24
    rows = llm.logits([*prompt, *output.token_ids])
    assert rows.shape == (len(prompt) + 24, llm.tokenizer.n_vocab)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert tuple(rows[len(prompt) - 1 : -1].argmax(1)) == output.token_ids


def test_logits_do_not_depend_on_threads_or_batch(model: str, llm: LLM) -> None:
    ids = [i % 1500 for i in range(0, 7 * 310, 7)]
    expected = llm.logits(ids)
    for n_threads, n_batch in ((1, 512), (2, 7), (2, 64)):
        with LLM(model, n_ctx=2048, n_threads=n_threads, n_batch=n_batch) as other:
            np.testing.assert_array_equal(other.logits(ids), expected)


def test_logprobs_are_the_models_own(llm: LLM) -> None:
    prompt = llm.tokenizer.encode(PROMPT)
    params = SamplingParams(
        max_tokens=6, seed=1, temperature=0.7, logprobs=3, logit_bias={5: 3.0}, ignore_eos=True
    )
    output = llm.generate(PROMPT, params)
    rows = llm.logits([*prompt, *output.token_ids])
    assert output.logprobs is not None
    for token, found, row in zip(output.token_ids, output.logprobs, rows[len(prompt) - 1 :], strict=False):
        expected = log_softmax(row)
        assert found.token_id == token
        assert found.logprob == pytest.approx(expected[token], abs=1e-4)
        best = np.argsort(-expected, kind="stable")[:3]
        assert [i for i, _ in found.top] == best.tolist()
        assert [p for _, p in found.top] == pytest.approx(expected[best].tolist(), abs=1e-4)


def test_stream_equals_generate(llm: LLM) -> None:
    whole = llm.generate(PROMPT, SAMPLED)
    chunks = list(llm.stream(PROMPT, SAMPLED))
    assert "".join(c.text for c in chunks) == whole.text == llm.tokenizer.decode(whole.token_ids)
    assert tuple(t for c in chunks for t in c.token_ids) == whole.token_ids
    assert chunks[-1].usage == whole.usage
    assert whole.usage.prompt_tokens == len(llm.tokenizer.encode(PROMPT))


def test_seeds(llm: LLM) -> None:
    pair = llm.generate(PROMPT, SamplingParams(max_tokens=24, seed=5, n=2, ignore_eos=True))
    assert pair[0] == llm.generate(PROMPT, SAMPLED)
    assert pair[0].token_ids != pair[1].token_ids
    free = SamplingParams(max_tokens=24, ignore_eos=True)
    assert llm.generate(PROMPT, free).token_ids != llm.generate(PROMPT, free).token_ids


def test_batch_equals_one_by_one(llm: LLM) -> None:
    prompts = [PROMPT[: 3 + i] for i in range(16)]
    assert llm.generate(prompts, SAMPLED) == [llm.generate(p, SAMPLED) for p in prompts]


def test_more_prompts_than_the_queue_takes(llm: LLM) -> None:
    outputs = llm.generate(
        [[i] for i in range(400)], SamplingParams(max_tokens=1, temperature=0, ignore_eos=True)
    )
    assert len(outputs) == 400
    assert [o.token_ids[0] for o in outputs[::100]] == [
        int(llm.logits([i])[0].argmax()) for i in range(0, 400, 100)
    ]


def test_stop_string(llm: LLM) -> None:
    text = llm.generate(PROMPT, SAMPLED).text
    stop = text[8:11]
    output = llm.generate(PROMPT, SamplingParams(max_tokens=24, seed=5, ignore_eos=True, stop=stop))
    assert output.text == text[: text.find(stop)]
    assert output.finish_reason == "stop"
    assert len(output.token_ids) < 24


def test_stop_token(llm: LLM) -> None:
    ids = llm.generate(PROMPT, SAMPLED).token_ids
    params = SamplingParams(max_tokens=24, seed=5, ignore_eos=True, stop_token_ids=[ids[4]])
    output = llm.generate(PROMPT, params)
    assert output.token_ids == ids[: ids.index(ids[4]) + 1]
    assert output.text == llm.tokenizer.decode(output.token_ids[:-1])
    assert output.finish_reason == "stop"


def test_end_of_turn_ends(llm: LLM) -> None:
    end = llm.tokenizer.special("<|return|>")
    output = llm.generate(PROMPT, SamplingParams(max_tokens=8, logit_bias={end: 100}))
    assert output.token_ids == (end,)
    assert (output.text, output.finish_reason) == ("", "stop")


def test_context_full(model: str) -> None:
    with LLM(model, n_ctx=64) as small:
        assert small.n_ctx == 64
        output = small.generate(PROMPT, SamplingParams(ignore_eos=True))
        assert output.finish_reason == "length"
        assert output.usage.total_tokens == 64
        with pytest.raises(RequestError, match="64"):
            small.generate([1] * 65)


def test_closing_a_stream_frees_its_pages(model: str) -> None:
    """In a context so long that no stream ends by itself while the test looks."""
    with LLM(model) as llm:
        stream = llm.stream(PROMPT, SamplingParams(ignore_eos=True))
        next(stream)
        assert llm.stats().n_running == 1
        stream.close()
        n_steps = llm.stats().n_steps
        eventually(lambda: is_idle(llm))
        assert llm.stats().n_steps <= n_steps + 1  # the one under way
        dropped = llm.stream(PROMPT, SamplingParams(ignore_eos=True))
        next(dropped)
        del dropped
        gc.collect()
        n_steps = llm.stats().n_steps
        eventually(lambda: is_idle(llm))
        assert llm.stats().n_steps <= n_steps + 1


@pytest.mark.slow
def test_a_thousand_streams_leak_nothing(llm: LLM) -> None:
    n_files = len(os.listdir("/proc/self/fd"))
    for i in range(1000):
        stream = llm.stream([i], SamplingParams(ignore_eos=True))
        next(stream)
        stream.close()
    eventually(lambda: is_idle(llm))
    assert len(os.listdir("/proc/self/fd")) <= n_files


def test_async_equals_sync(model: str, llm: LLM) -> None:
    async def main() -> None:
        async with AsyncLLM(model, n_ctx=2048) as other:
            expected = llm.generate([PROMPT, "x"], SAMPLED)
            assert await other.generate([PROMPT, "x"], SAMPLED) == expected
            texts = await asyncio.gather(collect(other, PROMPT), collect(other, "x"))
            assert list(texts) == [o.text for o in expected]
            np.testing.assert_array_equal(await other.logits([1, 2, 3]), llm.logits([1, 2, 3]))
            task = asyncio.create_task(collect(other, PROMPT, SamplingParams(ignore_eos=True)))
            await asyncio.sleep(0.1)
            assert other.stats().n_running == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while other.stats().n_pages_used:
                await asyncio.sleep(0.005)

    async def collect(other: AsyncLLM, prompt: str, params: SamplingParams = SAMPLED) -> str:
        return "".join([c.text async for c in other.stream(prompt, params)])

    asyncio.run(asyncio.wait_for(main(), 60))


def test_close_ends_running_streams(model: str) -> None:
    llm = LLM(model, n_ctx=2048)
    stream = llm.stream(PROMPT, SamplingParams(ignore_eos=True))
    next(stream)
    llm.close()
    *_, last = stream
    assert last.finish_reason == "cancelled"
    with pytest.raises(RequestError):
        llm.generate(PROMPT)


def test_checkpoint_folder(
    checkpoint: Path, llm: LLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTOSS_CACHE_DIR", str(tmp_path))
    with LLM(str(checkpoint), n_ctx=2048, quiet=True) as other:
        assert other.generate(PROMPT, GREEDY) == llm.generate(PROMPT, GREEDY)


def test_what_cannot_be_opened(model: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="warp-drive"):
        LLM(model, device="warp-drive")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(Path(model).read_bytes()[:2000])
    with pytest.raises(ModelFileError, match=r"broken\.gguf"):
        LLM(str(broken))


def run(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gptoss_gguf", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_command_line(checkpoint: Path, tmp_path: Path, llm: LLM) -> None:
    out = str(tmp_path / "x.gguf")
    dry = run("convert", str(checkpoint), out, "--dry-run")
    assert dry.returncode == 0
    assert "blk.0.ffn_gate_exps.weight" in dry.stdout
    assert not Path(out).exists()
    done = run("convert", str(checkpoint), out)
    assert done.returncode == 0, done.stderr
    assert f"wrote {out}" in done.stderr
    again = run("convert", str(checkpoint), out)
    assert (again.returncode, again.stderr) == (1, f"error: {out}: already exists; --force replaces it\n")
    assert run("convert", str(checkpoint), out, "--force", "--dense", "f16").returncode == 0

    facts = json.loads(run("info", "--json", out).stdout)
    assert facts["metadata"]["gpt-oss.block_count"] == 4
    assert facts["tensor_types"]["F16"]["count"] == 18
    assert facts["memory"]["weights"] == sum(t["bytes"] for t in facts["tensors"])
    assert facts["file_bytes"] == Path(out).stat().st_size
    listed = run("info", "--tensors", out).stdout
    assert "blk.3.ffn_down_exps.weight" in listed
    assert "blk.3.ffn_down_exps.weight" not in run("info", out).stdout
    assert "reference" in run("info").stdout

    assert run("pull", out).stdout == f"{out}\n"


def test_run_prints_what_generate_returns(model: str, llm: LLM) -> None:
    done = run("run", "-m", model, "--raw", "-n", "24", "--temp", "0", "-c", "2048", PROMPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == llm.generate(PROMPT, SamplingParams(temperature=0, max_tokens=24)).text + "\n"
    for extra in ((), ("--seed", "3", "--top-k", "5", "--top-p", "0.9", "--min-p", "0.01", "-t", "1")):
        done = run("run", "-m", model, "-n", "8", "--reasoning-effort", "low", *extra, PROMPT)
        assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_interrupts_generate(model: str) -> None:
    code = (
        "import sys; from gptoss_gguf import LLM, SamplingParams\n"
        "llm = LLM(sys.argv[1]); print('ready', flush=True)\n"
        "try: llm.generate(['a', 'b'], SamplingParams(ignore_eos=True))\n"
        "except KeyboardInterrupt: print('interrupted', flush=True)\n"
        "llm.close()"
    )
    process = subprocess.Popen([sys.executable, "-c", code, model], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "interrupted\n"
    assert time.monotonic() - begin < 2
    assert process.returncode == 0
