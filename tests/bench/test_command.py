"""`gptoss bench`: every flag."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from gptoss_gguf.cli import bench as command
from gptoss_gguf.cli.app import app
from gptoss_gguf.errors import RequestError

from .conftest import MACHINE, Bench

LLAMA_BENCH = (
    "model_filename", "model_type", "model_size", "model_n_params", "n_batch", "n_threads", "n_prompt",
    "n_gen", "n_depth", "test_time", "avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts",
    "cpu_info", "backends",
)  # fmt: skip
OURS = (
    "engine",
    "isa",
    "arithmetic",
    "gb_per_s",
    "pct_bandwidth",
    "gmac_per_s",
    "pct_peak",
    "machine_gb_per_s",
    "load",
)


def cells(text: str, label: str) -> list[list[str]]:
    """The rows of the table whose first line has `label`, without head and rule."""
    lines = text.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("|") and label in line)
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_table(bench: Bench) -> None:
    text = bench("-p", "8,16", "-n", "2", "-d", "0,5")
    assert "Abacus, 1 threads: reads 1.0 GB/s" in text
    assert cells(text, "instruction set") == [
        ["scalar", "2.0", "3.0", ""],
        ["beads", "", "4.0", ""],
        ["pearls", "", "", "5.0"],
    ]
    assert cells(text, "ready after")[0] == ["cold", "2.00", "1.00", "10 kB", "50 kB"]
    assert cells(text, "ready after")[1][3] == "unknown"
    rows = cells(text, "t/s")
    assert "% of scalar float32 peak" in text
    assert [row[5] for row in rows] == ["pp8", "pp16", "tg2", "pp8 @ d5", "pp16 @ d5", "tg2 @ d5"]
    for row in rows:
        assert row[3:5] == ["reference", "1"]
        assert re.fullmatch(r"\d+\.\d\d \u00b1 \d+\.\d\d", row[6])
        assert [bool(re.fullmatch(r"\d+\.\d+%?", cell)) for cell in row[7:]] == [True] * 4


def test_json_has_the_fields_of_llama_bench_and_ours(bench: Bench, tiny: Path) -> None:
    prompt, generation = json.loads(bench("-p", "8", "-n", "2", "-d", "3", "-o", "json"))
    for row in (prompt, generation):
        assert {*LLAMA_BENCH, *OURS} <= row.keys()
        assert "profile" not in row
        assert (row["engine"], row["isa"], row["model_filename"]) == ("gptoss", "scalar", str(tiny))
        assert len(row["samples_ts"]) == len(row["samples_ns"]) == 2
        assert row["avg_ts"] == pytest.approx(sum(row["samples_ts"]) / 2)
        assert row["pct_bandwidth"] == pytest.approx(100 * row["gb_per_s"] / row["machine_gb_per_s"])
        assert row["pct_peak"] == pytest.approx(100 * row["gmac_per_s"] / 2)
        assert row["load"]["cold"]["ready_seconds"] == 2.0
    assert (prompt["n_prompt"], prompt["n_gen"], prompt["n_depth"]) == (8, 0, 3)
    assert (generation["n_prompt"], generation["n_gen"], generation["n_depth"]) == (0, 2, 3)


def test_json_lines_and_csv_hold_the_same(bench: Bench) -> None:
    args = ("-p", "4", "-n", "2", "-o")
    lines = [json.loads(line) for line in bench(*args, "jsonl").splitlines()]
    table = list(csv.DictReader(bench(*args, "csv").splitlines()))
    assert [list(line) for line in lines] == [list(row) for row in table]
    assert [row["n_prompt"] for row in table] == ["4", "0"]
    assert len(json.loads(table[0]["samples_ts"])) == 2


def test_repetitions(bench: Bench) -> None:
    [row] = json.loads(bench("-p", "4", "-n", "0", "-o", "json", "-r", "1"))
    assert len(row["samples_ts"]) == 1
    assert row["stddev_ts"] == 0


def check_profile(operations: list[dict[str, Any]]) -> None:
    assert {"embed", "attend", "moe_up_swiglu", "logits"} < {entry["name"] for entry in operations}
    assert sum(entry["pct_time"] for entry in operations) == pytest.approx(100)
    longest = [entry["seconds"] for entry in operations[:-1]]
    assert longest == sorted(longest, reverse=True)
    assert operations[-1]["name"] == "(between operations)"


def test_a_profile(bench: Bench) -> None:
    [row] = json.loads(bench("-p", "8", "-n", "0", "-o", "json", "--profile"))
    check_profile(row["profile"])
    text = bench("-p", "8", "-n", "2", "--profile")
    by_name = {row[0]: row for row in cells(text, "tg2  ")}
    assert by_name["attend"][1] == "8"  # four layers, two tokens
    assert by_name["(between operations)"][4:] == [""] * 4
    assert len(cells(text, "pp8  ")) == 11


def test_a_trace(bench: Bench, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    text = bench("-p", "0", "-n", "2", "--trace", str(trace))
    assert "between" not in text
    events = json.loads(trace.read_text())["traceEvents"]
    assert [sum(event["cat"] == kind for event in events) for kind in ("case", "step")] == [2, 4]
    assert min(event["ts"] for event in events) == 0
    steps = [event for event in events if event["cat"] == "step"]
    for event in events:
        assert event["ph"] == "X"
        if event["cat"] == "operation":
            assert event["args"].keys() == {"bytes", "macs"}
            end = event["ts"] + event["dur"]
            assert any(s["ts"] <= event["ts"] and end <= s["ts"] + s["dur"] + 0.001 for s in steps)


def test_a_device_by_name(bench: Bench) -> None:
    [row] = json.loads(bench("-p", "4", "-n", "0", "-o", "json", "--device", "reference"))
    assert row["backends"] == "reference"
    with pytest.raises(RequestError, match="device 'abacus'"):
        bench("--device", "abacus")


def test_a_busy_machine_is_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    command._warn_if_busy(MACHINE)
    assert capsys.readouterr().err == ""
    command._warn_if_busy(type(MACHINE)("x", 1, 1.0, {}, load=1000.0))
    assert "this machine is busy (load 1000.0)" in capsys.readouterr().err


def gptoss(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gptoss_gguf", "bench", *args],
        capture_output=True,
        text=True,
        env=os.environ | env,
        timeout=200,
    )


def test_the_whole_command(tmp_path: Path) -> None:
    """In a process, with a machine that is measured and a model that is made."""
    args = ("--synthetic", "tiny", "--layers", "2", "-p", "4", "-n", "2", "-r", "1", "-t", "1", "-o", "json")
    done = gptoss(*args, GPTOSS_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "of disk" in done.stderr
    prompt, generation = json.loads(done.stdout)
    assert prompt["machine_gb_per_s"] > 0.01
    assert prompt["machine_gmac_per_s"]["scalar float32"] > 0.01
    assert generation["load"]["warm"]["peak_rss"] > 1e6
    assert prompt["n_threads"] == 1


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gptoss_gguf", "bench", "--synthetic", "tiny", "-p", "0", "-n", "30000"]
    with subprocess.Popen(
        [*command, "-t", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"GPTOSS_CACHE_DIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        assert any("t/s" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "bench needs one model"),
        (("-m", "x.gguf", "--synthetic", "tiny"), "bench needs one model"),
        (("-m", "x.gguf", "--layers", "2"), "--layers is for --synthetic"),
        (("--synthetic", "tiny", "-p", "x"), "-p x: expected a number"),
        (("--synthetic", "tiny", "-n", "-4"), "-n -4: expected a number"),
        (("--synthetic", "tiny", "-d", "1,"), "-d 1,: expected a number"),
        (("--synthetic", "tiny", "--parallel", "0"), "--parallel 0: at least one"),
        (("--synthetic", "tiny", "--vs", "no/such"), "--vs no/such: give llama.cpp"),
        (("--synthetic", "tiny", "-p", "0", "-n", "0"), "nothing to time"),
        (("--synthetic", "tiny", "--trace", "no/such/folder/x"), "does not exist"),
        (("--synthetic", "tiny", "-t", "5000"), "n_threads is 5000"),
        (("--synthetic", "7b"), "'7b' is not one of"),
        (("--synthetic", "tiny", "-o", "xml"), "'xml' is not one of"),
        (("--synthetic", "tiny", "-r", "0"), "--repetitions"),
    ],
)
def test_wrong_usage(
    args: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTOSS_CACHE_DIR", str(tmp_path))
    usage_error = typer.BadParameter.__bases__[0]
    with pytest.raises((RequestError, usage_error)) as caught:
        app(["bench", *args], standalone_mode=False)
    error = caught.value
    assert message in (str(error) if isinstance(error, RequestError) else error.format_message())


def test_help_teaches() -> None:
    text = " ".join(gptoss("--help", COLUMNS="200", NO_COLOR="1").stdout.split())
    for word in (
        "pp512",
        "tg128",
        "--synthetic",
        "--layers",
        "--profile",
        "--trace",
        "--vs",
        "--parallel",
        "Examples",
    ):
        assert word in text


def test_the_peak_is_that_of_the_arithmetic() -> None:
    assert MACHINE.peak("scalar", "int8") == 3e9
    assert MACHINE.peak("fingers", "int8") == 4e9  # the best
    assert MACHINE.peak("scalar", "bf16") == 2e9  # computed in float32
    assert MACHINE.peak("pearls", "bf16") == 5e9


def test_compute_reaches_the_engine(bench: Bench) -> None:
    [fields] = json.loads(bench("-p", "4", "-n", "0", "--device", "cpu", "--compute", "bf16", "-o", "json"))
    assert fields["arithmetic"] == "bf16"
    assert "| pearls |  |  | 5.0 |" in bench("-p", "4", "-n", "0")
    with pytest.raises(RequestError, match="computes in one way only"):
        bench("-p", "4", "-n", "0", "--device", "reference", "--compute", "bf16")
