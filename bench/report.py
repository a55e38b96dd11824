"""Results as text: a table for people, or llama-bench's fields for programs."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from gptoss_gguf import __version__
from gptoss_gguf.bench.engine import Engine
from gptoss_gguf.bench.load import Load
from gptoss_gguf.bench.machine import Machine
from gptoss_gguf.bench.measure import Row, mean_and_deviation, percent
from gptoss_gguf.bench.model import Model
from gptoss_gguf.bench.profile import profile_facts, profile_lines
from gptoss_gguf.bench.quality import Divergence
from gptoss_gguf.progress import size_text

FORMATS = ("md", "json", "jsonl", "csv")


@dataclass(frozen=True)
class Context:
    """What all rows of a report have in common. `loads` by kind: "first", "cold", "warm"."""

    model: Model
    engine: Engine
    machine: Machine
    loads: Mapping[str, Load]
    profile: bool  # whether to show the operations of every row
    quality: Divergence | None  # from the reference device, if that was asked for

    @property
    def limits(self) -> tuple[float, float]:
        """Bytes and multiply-adds per second that the engine could reach."""
        peak = self.machine.peak(self.engine.isa, self.engine.arithmetic)
        return self.machine.bytes_per_second, peak


def report_lines(form: str, context: Context, rows: Iterable[Row]) -> Iterator[str]:
    """The report, line by line as the rows come; `form` is one of FORMATS."""
    if form == "md":
        yield from _markdown(context, rows)
    elif form == "json":
        yield json.dumps([_fields(context, row) for row in rows], indent=2)
    elif form == "jsonl":
        for row in rows:
            yield json.dumps(_fields(context, row))
    else:
        yield from _csv(context, rows)


def _markdown(context: Context, rows: Iterable[Row]) -> Iterator[str]:
    yield from _machine_lines(context.machine)
    yield ""
    yield from _load_lines(context.loads)
    yield ""
    if context.quality is not None:
        yield from _quality_lines(context.quality)
        yield ""
    yield from _row_head(context)
    seen = []
    for row in rows:
        yield _row_line(context, row)
        seen.append(row)
    if any(row.rival for row in seen):
        yield ""
        yield from _rival_lines(seen)
    for row in seen if context.profile else ():
        yield ""
        yield from profile_lines(row, *context.limits)


def _machine_lines(machine: Machine) -> Iterator[str]:
    yield f"{machine.cpu}, {machine.n_threads} threads: reads {machine.bytes_per_second / 1e9:.1f} GB/s"
    yield ""
    kinds = ("float32", "int8", "bf16")
    yield f"| instruction set | {' | '.join(f'{kind} GMAC/s' for kind in kinds)} |"
    yield "| :--- | ---: | ---: | ---: |"
    for isa in dict.fromkeys(isa for isa, _ in machine.peaks):
        cells = [machine.peaks.get((isa, kind)) for kind in kinds]
        shown = ["" if cell is None else f"{cell / 1e9:.1f}" for cell in cells]
        yield f"| {isa} | {' | '.join(shown)} |"


def _load_lines(loads: Mapping[str, Load]) -> Iterator[str]:
    yield "| load | ready after s | first token s later | read from disk | peak RSS |"
    yield "| :--- | ---: | ---: | ---: | ---: |"
    for kind, load in loads.items():
        read = "unknown" if load.read_bytes is None else size_text(load.read_bytes)
        cells = f"{load.ready_seconds:.2f} | {load.token_seconds:.2f} | {read} | {size_text(load.peak_rss)}"
        yield f"| {kind} | {cells} |"


def _quality_lines(quality: Divergence) -> Iterator[str]:
    yield "| compared with float32 | same best token | KL divergence, nats |"
    yield "| :--- | ---: | ---: |"
    yield f"| {quality.n_tokens} tokens | {100 * quality.same_best:.2f}% | {quality.kl:.3e} |"


def _row_head(context: Context) -> Iterator[str]:
    engine = context.engine
    peak = f"% of {engine.isa} {engine.arithmetic} peak"
    yield f"| model | size | params | backend | threads | test | t/s | GB/s | % of read | GMAC/s | {peak} |"
    yield "| :--- | ---: | ---: | :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"


def _row_line(context: Context, row: Row) -> str:
    model, engine = context.model, context.engine
    average, deviation = mean_and_deviation(row.tokens_per_second)
    bandwidth, peak = context.limits
    cells = [
        model.kind,
        f"{model.n_bytes / 2**30:.2f} GiB" if model.n_bytes >= 2**30 else f"{model.n_bytes / 2**20:.2f} MiB",
        f"{model.n_params / 1e9:.2f} B" if model.n_params >= 1e9 else f"{model.n_params / 1e6:.2f} M",
        engine.device,
        str(engine.n_threads),
        row.case.name,
        f"{average:.2f} \u00b1 {deviation:.2f}",
        f"{row.bytes_per_second / 1e9:.2f}",
        f"{percent(row.bytes_per_second, bandwidth):.1f}%",
        f"{row.macs_per_second / 1e9:.2f}",
        f"{percent(row.macs_per_second, peak):.1f}%",
    ]
    return f"| {' | '.join(cells)} |"


def _rival_lines(rows: Iterable[Row]) -> Iterator[str]:
    yield "| test | gptoss t/s | other t/s | ratio | least | most | other |"
    yield "| :--- | ---: | ---: | ---: | ---: | ---: | :--- |"
    for row in rows:
        assert row.rival is not None
        speeds = [
            mean_and_deviation(speeds) for speeds in (row.tokens_per_second, row.rival.tokens_per_second)
        ]
        cells = [row.case.name, *(f"{average:.2f} \u00b1 {deviation:.2f}" for average, deviation in speeds)]
        cells += [f"{ratio:.2f}" for ratio in (median(row.ratios), min(row.ratios), max(row.ratios))]
        yield f"| {' | '.join(cells)} | {row.rival.name} |"


def _fields(context: Context, row: Row) -> dict[str, Any]:
    """A row with llama-bench's names where it has them."""
    model, engine, machine = context.model, context.engine, context.machine
    nanoseconds = [seconds * 1e9 for seconds in row.seconds]
    average_ns, deviation_ns = mean_and_deviation(nanoseconds)
    average, deviation = mean_and_deviation(row.tokens_per_second)
    bandwidth, peak = context.limits
    fields: dict[str, Any] = {
        "engine": engine.name,
        "engine_version": __version__,
        "cpu_info": machine.cpu,
        "backends": engine.device,
        "isa": engine.isa,
        "arithmetic": engine.arithmetic,
        "model_filename": str(model.path),
        "model_type": model.kind,
        "model_size": model.n_bytes,
        "model_n_params": model.n_params,
        "n_batch": engine.n_batch,
        "n_threads": engine.n_threads,
        "n_prompt": row.case.n_prompt,
        "n_gen": row.case.n_gen,
        "n_depth": row.case.n_depth,
        "n_parallel": row.case.n_parallel,
        "test_time": datetime.fromtimestamp(row.begin, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "avg_ns": round(average_ns),
        "stddev_ns": round(deviation_ns),
        "avg_ts": average,
        "stddev_ts": deviation,
        "samples_ns": [round(sample) for sample in nanoseconds],
        "samples_ts": row.tokens_per_second,
        "gb_per_s": row.bytes_per_second / 1e9,
        "pct_bandwidth": percent(row.bytes_per_second, bandwidth),
        "gmac_per_s": row.macs_per_second / 1e9,
        "pct_peak": percent(row.macs_per_second, peak),
        "machine_gb_per_s": bandwidth / 1e9,
        "machine_gmac_per_s": {
            f"{isa} {arithmetic}": rate / 1e9 for (isa, arithmetic), rate in machine.peaks.items()
        },
        "load": {kind: asdict(load) for kind, load in context.loads.items()},
    }
    if context.quality is not None:
        fields["quality"] = asdict(context.quality)
    if row.rival is not None:
        fields["vs"] = {
            "engine": row.rival.name,
            "samples_ts": row.rival.tokens_per_second,
            "ratios": row.ratios,
            "median_ratio": median(row.ratios),
        }
    if context.profile:
        fields["profile"] = profile_facts(row, *context.limits)
    return fields


def _csv(context: Context, rows: Iterable[Row]) -> Iterator[str]:
    """One line per row; what is no single value stands as JSON."""
    for number, row in enumerate(rows):
        fields = _fields(context, row)
        if number == 0:
            yield _csv_line(fields)
        yield _csv_line(json.dumps(v) if isinstance(v, list | dict) else v for v in fields.values())


def _csv_line(values: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
