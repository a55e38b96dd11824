"""Other engines: programs like llama-bench, and llama-cpp-python; both are stand-ins that keep a diary."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from gptoss_gguf.bench.cases import Case
from gptoss_gguf.bench.peers import LLAMA_CPP, make_peer
from gptoss_gguf.errors import GptossError, RequestError

_LLAMA_BENCH = """#!{python}
import json, sys
args = sys.argv[1:]
if args == ["--help"]:
    print("usage: -p, --n-prompt  -n, --n-gen  --flash-attn  --mmap {flags}")
    sys.exit(0)
with open({diary!r}, "a") as diary:
    diary.write(json.dumps(args) + chr(10))
if "{mood}" == "broken":
    sys.exit("cannot load this")
if "{mood}" == "odd":
    print("hello")
else:
    tokens = int(args[args.index("-p") + 1]) + int(args[args.index("-n") + 1])
    print("[", "WARNING: a stray line", sep=chr(10))
    print("", json.dumps({{"avg_ns": tokens * 1e7, "n_prompt": 1}}), "]", sep=chr(10) + "  ")
"""

# What bench/llama_cpp.py uses of the package; llama_decode takes 1 ms and writes into the diary.
_LLAMA_CPP = """
import json, time
__version__ = "0.0.1"
LLAMA_LOAD_MODE_NONE, LLAMA_FLASH_ATTN_TYPE_ENABLED = 0, 1
class Params: load_mode = -1
class Batch:
    def __init__(self, n):
        self.token, self.pos, self.n_seq_id, self.logits = [0] * n, [0] * n, [0] * n, [0] * n
        self.seq_id = [[0] for _ in range(n)]
def note(**entry):
    with open({diary!r}, "a") as diary:
        diary.write(json.dumps(entry) + chr(10))
def llama_backend_init(): print("C code prints this")
llama_model_default_params = llama_context_default_params = Params
def llama_model_load_from_file(path, params):
    note(model=path.decode(), **vars(params))
    return None if b"missing" in path else 1
def llama_init_from_model(model, params):
    note(**vars(params))
    return 1
def llama_model_get_vocab(model): return 1
def llama_vocab_n_tokens(vocab): return 300
def llama_get_memory(context): return 1
def llama_memory_clear(memory, data): note(clear=data)
def llama_batch_init(n, embd, n_seq): return Batch(n)
def llama_batch_free(batch): pass
def llama_synchronize(context): pass
def llama_decode(context, batch):
    time.sleep(0.001)
    assert all(0 <= token < 300 for token in batch.token)
    note(pos=batch.pos, seq=[s[0] for s in batch.seq_id], logits=sum(batch.logits))
    return 0
"""


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


def read(diary: Path) -> list[Any]:
    return [json.loads(line) for line in diary.read_text().splitlines()]


def program(folder: Path, diary: Path, *, flags: str = "", mood: str = "well") -> str:
    path = folder / "llama-bench"
    path.write_text(_LLAMA_BENCH.format(python=sys.executable, diary=str(diary), flags=flags, mood=mood))
    path.chmod(0o755)
    return str(path)


def test_a_program_gets_its_best_flags(tmp_path: Path, diary: Path) -> None:
    todo = [Case(40, 0, 0), Case(0, 6, 30)]
    peer = make_peer(
        program(tmp_path, diary, flags="--n-depth --run-time-repack --n-gpu-layers"),
        Path("x.gguf"),
        n_threads=3,
        cases=todo,
    )
    assert peer.turn(todo) == [pytest.approx(0.4), pytest.approx(0.06)]
    peer.rest()
    common = ["-m", "x.gguf", "-t", "3", "-r", "1", "-o", "json", "--flash-attn", "1", "--mmap", "0"]
    common += ["--run-time-repack", "1", "--n-gpu-layers", "0"]
    assert read(diary) == [[*common, "-p", "40", "-n", "0"], [*common, "-p", "0", "-n", "6", "-d", "30"]]
    assert peer.name.endswith("/llama-bench")


@pytest.mark.parametrize(
    ("case", "message"),
    [(Case(4, 0, 9), "does not know --n-depth"), (Case(0, 4, 0, 2), "leave out --parallel")],
)
def test_what_a_program_cannot_run(case: Case, message: str, tmp_path: Path, diary: Path) -> None:
    with pytest.raises(RequestError, match=message):
        make_peer(program(tmp_path, diary), Path("x.gguf"), n_threads=1, cases=[case])


@pytest.mark.parametrize(
    ("mood", "message"), [("broken", "cannot load this"), ("odd", "no result of llama-bench's kind")]
)
def test_a_program_that_fails(mood: str, message: str, tmp_path: Path, diary: Path) -> None:
    todo = [Case(4, 0, 0)]
    peer = make_peer(program(tmp_path, diary, mood=mood), Path("x.gguf"), n_threads=1, cases=todo)
    with pytest.raises(GptossError, match=message):
        peer.turn(todo)


def test_a_name_nobody_knows() -> None:
    with pytest.raises(RequestError, match=r"--vs no/such: give llama\.cpp"):
        make_peer("no/such", Path("x.gguf"), n_threads=1, cases=[Case(4, 0, 0)])


def test_llama_cpp_python(tmp_path: Path, diary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "llama_cpp.py").write_text(_LLAMA_CPP.format(diary=str(diary)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    todo = [Case(2050, 0, 3), Case(0, 2, 3, 2)]
    peer = make_peer(LLAMA_CPP, Path("x.gguf"), n_threads=3, cases=todo)
    first, second = peer.turn(todo)
    assert 0.002 <= first < 1
    assert 0.002 <= second < 1
    assert peer.name == "llama.cpp (llama-cpp-python 0.0.1)"
    model, context, *calls = read(diary)
    assert model == {"model": "x.gguf", "load_mode": 0, "n_gpu_layers": 0}
    assert context["n_threads"] == context["n_threads_batch"] == 3
    assert context["flash_attn_type"] == 1
    assert context["n_ctx"] == 2 * 2054
    half = len(calls) // 2
    assert calls[:half] == calls[half:]  # a run to warm up
    clear, depth, prompt, rest, *_ = calls
    assert clear == {"clear": False}
    assert depth == {"pos": [0, 1, 2], "seq": [0] * 3, "logits": 1}
    assert (prompt["pos"][0], len(prompt["pos"]), prompt["logits"]) == (3, 2048, 1)
    assert rest["pos"] == [2051, 2052]
    assert calls[half - 3]["seq"] == [1, 1, 1]
    assert calls[half - 2 : half] == [{"pos": [3, 3], "seq": [0, 1], "logits": 2},
                                      {"pos": [4, 4], "seq": [0, 1], "logits": 2}]  # fmt: skip
    peer.turn(todo[1:])
    assert read(diary)[2 + len(calls) :] == calls[half - 5 : half]
    peer.rest()
    peer.turn(todo[1:])
    assert sum("model" in entry for entry in read(diary)) == 2
    peer.rest()


def test_llama_cpp_python_that_fails(tmp_path: Path, diary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "llama_cpp.py").write_text(_LLAMA_CPP.format(diary=str(diary)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    peer = make_peer(LLAMA_CPP, Path("missing.gguf"), n_threads=1, cases=[Case(4, 0, 0)])
    with pytest.raises(GptossError, match=r"llama\.cpp cannot load missing\.gguf"):
        peer.turn([Case(4, 0, 0)])
    peer.rest()


def test_llama_cpp_python_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptoss_gguf.bench.peers.find_spec", lambda name: None)
    with pytest.raises(RequestError, match="needs llama-cpp-python"):
        make_peer(LLAMA_CPP, Path("x.gguf"), n_threads=1, cases=[Case(4, 0, 0)])
