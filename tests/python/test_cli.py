"""The command line in a process of its own: pipes, terminals, signals, errors."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ANSWER = (
    "<|channel|>analysis<|message|>Two plus two.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>Four.<|return|>"
)


def gptoss(*args: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """The real command, without an engine."""
    return subprocess.run(
        [sys.executable, "-m", "gptoss_gguf", *args],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        env=os.environ | env,
        timeout=60,
    )


def fake_command(says: str, *args: str) -> list[str]:
    return [sys.executable, "-m", "tests.python.fake_cli", says, *args]


def fake(says: str, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command over the scripted engine."""
    return subprocess.run(
        fake_command(says, *args), input=stdin, capture_output=True, text=True, cwd=REPOSITORY, timeout=60
    )


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "m.gguf"
    path.touch()
    return str(path)


class Terminal:
    """A process on a pseudo terminal of its own session."""

    def __init__(self, command: list[str]) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(REPOSITORY)
            os.execve(command[0], command, os.environ | {"TERM": "xterm", "NO_COLOR": ""})
        self.seen = ""

    def wait_for(self, pattern: str, seconds: float = 30) -> str:
        """Reads until the pattern has appeared after what was read before; returns all up to its end."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.seen)
            if match:
                read, self.seen = self.seen[: match.end()], self.seen[match.end() :]
                return read
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096).decode()
                except OSError:  # the process has ended
                    assert re.search(pattern, self.seen), f"no {pattern!r} in {self.seen!r}"

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def exit_status(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_pipe_gets_the_answer_only(model: str) -> None:
    done = fake(ANSWER, "run", "-m", model, "2+2?")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Four.\n", "")


@pytest.mark.parametrize("argument", [(), ("-",)])
def test_prompt_from_a_pipe(model: str, argument: tuple[str, ...]) -> None:
    done = fake(ANSWER, "run", "-m", model, *argument, stdin="2+2?\n")
    assert (done.returncode, done.stdout) == (0, "Four.\n")


def test_raw_shows_everything(model: str) -> None:
    done = fake("ab<|channel|>c\n<|return|>", "run", "--raw", "-m", model, "x")
    assert done.stdout == "ab<|channel|>c\n"


def test_empty_prompt(model: str) -> None:
    done = fake(ANSWER, "run", "-m", model, stdin=" \n")
    assert (done.returncode, done.stderr) == (1, "error: the prompt is empty\n")


def test_one_answer_on_a_terminal(model: str) -> None:
    terminal = Terminal(fake_command(ANSWER, "run", "-m", model, "2+2?"))
    shown = terminal.wait_for(r"\[.* tokens/s\]")
    reasoning, rest = shown.split("\r\n\r\n")
    assert reasoning.startswith("\x1b[2mT")
    assert reasoning.endswith("\x1b[0m")
    assert re.sub(r"\x1b\[[02]m", "", reasoning) == "Two plus two."
    assert re.match(r"Four\.\r\n\[\d+ prompt tokens, first token after ", rest)
    assert terminal.exit_status() == 0


def test_model_cannot_steer_the_terminal(model: str) -> None:
    terminal = Terminal(fake_command("a\x1b]0;title\x07b\r<|return|>", "run", "--raw", "-m", model, "x"))
    assert "a]0;titleb\r\n" in terminal.wait_for(r"tokens/s\]")
    assert terminal.exit_status() == 0


def test_progress_bar() -> None:
    code = (
        "import time; from gptoss_gguf.progress import reporter\n"
        "with reporter().task('converting [x]', 3_000_000_000) as update:\n"
        "    for done in range(0, 2_000_000_000, 200_000_000): update(done); time.sleep(0.1)\n"
    )
    terminal = Terminal([sys.executable, "-c", code])
    terminal.wait_for(r"converting \[x\] .*1\.\d/3\.0 GB.*[\d.]+ GB/s.*0:00:0\d")
    assert terminal.exit_status() == 0


def test_chat(model: str) -> None:
    terminal = Terminal(fake_command(ANSWER, "run", "-m", model))
    assert "Ctrl-C stops an answer, Ctrl-D leaves." in terminal.wait_for("> ")
    lengths = []
    for _ in range(2):
        terminal.type("2+2?\n")
        terminal.wait_for(r"Four\.")
        lengths.append(int(terminal.wait_for(r"(\d+) prompt tokens").split()[-3].lstrip("[")))
        terminal.wait_for("> ")
    assert lengths[1] > lengths[0] + 10  # the first turn is in the second prompt
    terminal.type("\x04")
    assert terminal.exit_status() == 0


def test_ctrl_c_stops_the_answer_not_the_chat(model: str) -> None:
    terminal = Terminal(fake_command("<|channel|>final<|message|>On...", "run", "-m", model))
    terminal.wait_for("> ")
    for _ in range(2):
        terminal.type("x\n")
        terminal.wait_for("so on and so on")
        terminal.type("\x03")
        terminal.wait_for(r"> $", seconds=5)
    time.sleep(0.3)  # readline misses a signal between printing the prompt and waiting for a key
    terminal.type("\x03")  # at the prompt it clears the line
    terminal.wait_for(r"> ")
    terminal.type("\x04")
    assert terminal.exit_status() == 0


def test_ctrl_c_ends_a_single_answer(model: str) -> None:
    process = subprocess.Popen(
        fake_command("<|channel|>final<|message|>On...", "run", "-m", model, "x"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 1)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - begin < 2
    assert out.endswith(b"\n")
    assert (process.returncode, err) == (130, b"")


def test_closed_pipe_is_no_error(model: str) -> None:
    process = subprocess.Popen(
        fake_command("<|channel|>final<|message|>On...", "run", "-m", model, "x"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    os.read(process.stdout.fileno(), 1)
    process.stdout.close()
    assert process.wait(timeout=20) == 1
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["runx"], 2, "error: No such command 'runx'"),
        (["run", "--bad"], 2, "error: No such option: --bad"),
        (["run", "-n", "0"], 2, "error: Invalid value for '-n'"),
        (["run", "--temp", "hot", "x"], 2, "error: Invalid value for '--temp'"),
        (["pull"], 2, "error: Missing argument"),
        (["run", "-m", "/no/such.gguf", "x"], 1, "error: /no/such.gguf: no such file or folder"),
        (
            ["run", "-m", "m", "--top-p", "7", "x"],
            1,
            "error: top_p=7.0 is not allowed: it must be a number above 0",
        ),
        (["info", "nothing"], 1, "error: nothing: unknown model"),
        (["convert", "/no/such", "x.gguf"], 1, "error: /no/such: is no folder"),
        (["--traceback", "convert", "/no/such", "x.gguf"], 1, "Traceback"),
    ],
)
def test_errors_are_one_line(args: list[str], status: int, message: str) -> None:
    done = gptoss(*args)
    assert done.returncode == status
    assert done.stderr.startswith(message)
    assert done.stdout == ""
    if message != "Traceback":
        assert done.stderr.count("\n") == 1


def test_help_and_version() -> None:
    assert gptoss("--version").stdout.startswith("gptoss 0.")
    shown = gptoss()
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in ("run", "convert", "info", "pull"))
    assert shown.stdout == gptoss("--help").stdout
    for command in ("run", "convert", "info", "pull"):
        assert gptoss(command, "-h").returncode == 0


def test_help_is_immediate() -> None:
    """Best of three: the machine may be busy. What it must not do is import numpy or an engine."""
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        assert gptoss("--help").returncode == 0
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.6  # 0.15 s where nothing else runs
    code = "import sys, gptoss_gguf.cli.app; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("numpy", "tiktoken", "huggingface_hub", "gguf"):
        assert f"'{heavy}'" not in loaded


def test_import_is_light() -> None:
    code = (
        "import sys, gptoss_gguf; before = set(sys.modules)\n"
        "from gptoss_gguf import LLM, AsyncLLM, SamplingParams\n"
        "print(sorted({m.partition('.')[0] for m in set(sys.modules)}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'numpy'" in loaded
    assert "'tiktoken'" in loaded
    for heavy in ("torch", "transformers", "huggingface_hub", "typer", "rich", "gguf", "requests"):
        assert f"'{heavy}'" not in loaded


def test_compute_reaches_the_engine() -> None:
    done = gptoss("run", "--device", "reference", "--compute", "bf16", "Hello")
    assert done.returncode == 1
    assert "the device 'reference' computes in one way only" in done.stderr
    assert gptoss("run", "--compute", "bf16", "-n", "4", "Hello").returncode == 0


def test_info_lists_instruction_sets_by_arithmetic() -> None:
    facts = json.loads(gptoss("info", "--json").stdout)
    assert facts["cpu_isas"].keys() == {"int8", "bf16"}
    assert all(isas[-1] == "scalar" for isas in facts["cpu_isas"].values())
    assert "cpu instruction sets for bf16, best first: " in gptoss("info").stdout
