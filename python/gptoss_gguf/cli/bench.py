"""`gptoss bench`."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from gptoss_gguf.bench.cases import Case, cases, parse_counts
from gptoss_gguf.bench.engine import Engine, GptossEngine
from gptoss_gguf.bench.load import measure_loads
from gptoss_gguf.bench.machine import Machine, measure_machine
from gptoss_gguf.bench.measure import Row, measure
from gptoss_gguf.bench.model import describe_model
from gptoss_gguf.bench.peers import Peer, make_peer
from gptoss_gguf.bench.profile import chrome_trace
from gptoss_gguf.bench.progress import token_bar, turn_bar
from gptoss_gguf.bench.quality import Divergence, measure_quality
from gptoss_gguf.bench.report import Context, report_lines
from gptoss_gguf.bench.setup import Setup
from gptoss_gguf.bench.synthetic import synthetic_model
from gptoss_gguf.bench.versus import compare, fit_together
from gptoss_gguf.errors import RequestError
from gptoss_gguf.models import resolve_model
from gptoss_gguf.progress import reporter

_BUSY = 0.5  # processes beside us that want to run, for every thread we use


def run_bench(
    model: str | None,
    *,
    synthetic: str | None,
    n_layers: int | None,
    n_prompt: str,
    n_gen: str,
    n_depth: str,
    n_parallel: str,
    n_repetitions: int,
    device: str,
    compute: str,
    n_threads: int,
    weights_cache: bool,
    form: str,
    profile: bool,
    trace: Path | None,
    vs: str | None,
    n_quality: int,
) -> None:
    """Prints the report, row by row where the format allows; progress and warnings go to stderr."""
    todo = cases(
        parse_counts(n_prompt, "-p"),
        parse_counts(n_gen, "-n"),
        parse_counts(n_depth, "-d"),
        parse_counts(n_parallel, "--parallel"),
    )
    if trace is not None and not trace.absolute().parent.is_dir():
        raise RequestError(f"--trace {trace}: the folder {trace.absolute().parent} does not exist")
    path = _model_path(model, synthetic, n_layers)
    model_facts = describe_model(path)
    stay = fit_together(model_facts.n_bytes)
    _note("measuring the machine, and how long loading takes")
    machine = measure_machine(n_threads)
    _warn_if_busy(machine)
    peer = None if vs is None else make_peer(vs, path, n_threads=machine.n_threads, cases=todo)
    setup = Setup(device, compute, n_threads, weights_cache)
    loads = measure_loads(path, setup)
    is_recorded = profile or trace is not None
    rows: list[Row] = []
    quality = _quality(path, setup, n_quality) if n_quality else None
    with GptossEngine(path, setup, todo) as engine:
        context = Context(model_facts, engine, machine, loads, profile, quality)
        if peer is None:
            measured = _measured(engine, todo, n_repetitions, is_recorded, rows)
        else:
            measured = _compared(engine, peer, todo, n_repetitions, is_recorded, stay, rows)
        for line in report_lines(form, context, measured):
            print(line, flush=True)
    if trace is not None:
        trace.write_text(json.dumps(chrome_trace(rows)), encoding="utf-8")
        _note(f"wrote {trace}; https://ui.perfetto.dev and chrome://tracing show it")


def _model_path(model: str | None, synthetic: str | None, n_layers: int | None) -> Path:
    if (model is None) == (synthetic is None):
        raise RequestError("bench needs one model: -m MODEL, or --synthetic 20b, 120b or tiny")
    if synthetic is not None:
        return synthetic_model(synthetic, n_layers, reporter())
    if n_layers is not None:
        raise RequestError("--layers is for --synthetic: a model file has the layers it has")
    return resolve_model(model)


def _measured(
    engine: Engine, todo: list[Case], n_repetitions: int, profile: bool, rows: list[Row]
) -> Iterator[Row]:
    """Measures the cases one after the other, and keeps the rows."""
    for case in todo:
        with token_bar(case.name) as update:
            rows.append(measure(engine, case, n_repetitions, profile=profile, progress=update))
        yield rows[-1]


def _compared(
    engine: GptossEngine,
    peer: Peer,
    todo: list[Case],
    n_rounds: int,
    profile: bool,
    stay: bool,
    rows: list[Row],
) -> Iterator[Row]:
    """Measures the cases in turns with another engine, and keeps the rows."""
    if not stay:
        _note("two copies of the model do not fit in memory: every turn loads it again")
    with turn_bar(engine.name, peer.name) as update:
        rows += compare(engine, peer, todo, n_rounds, stay=stay, profile=profile, progress=update)
    yield from rows


def _quality(path: Path, setup: Setup, n_tokens: int) -> Divergence:
    _note(f"comparing the logits of {n_tokens} tokens with the reference device's, which is slow")
    with token_bar("quality") as update:
        return measure_quality(path, setup, n_tokens, update)


def _warn_if_busy(machine: Machine) -> None:
    spare = len(os.sched_getaffinity(0)) - machine.n_threads
    if machine.load > spare + _BUSY * machine.n_threads:
        _note(f"this machine is busy (load {machine.load:.1f}): what follows is too low, and unsteady")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
