"""Where the time goes: a table per operation, and a trace for a browser."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gptoss_gguf.bench.measure import Row, percent

_BETWEEN = "(between operations)"


@dataclass
class Operation:
    """One operation, summed over all its calls in all repetitions of a case."""

    name: str
    n_calls: int = 0
    seconds: float = 0.0
    n_bytes: int = 0
    n_macs: int = 0

    @property
    def bytes_per_second(self) -> float:
        return self.n_bytes / self.seconds if self.seconds else 0.0

    @property
    def macs_per_second(self) -> float:
        return self.n_macs / self.seconds if self.seconds else 0.0


def operations(row: Row) -> list[Operation]:
    """The operations of a profiled case, the longest first; last, what lies between them."""
    sums: dict[str, Operation] = {}
    for sample in row.samples:
        for call in sample.calls:
            entry = sums.setdefault(call.name, Operation(call.name))
            entry.n_calls += 1
            entry.seconds += call.end - call.begin
            entry.n_bytes += call.bytes
            entry.n_macs += call.macs
    found = sorted(sums.values(), key=lambda entry: -entry.seconds)
    rest = sum(row.seconds) - sum(entry.seconds for entry in found)
    return [*found, Operation(_BETWEEN, seconds=rest)]


def profile_facts(row: Row, bytes_per_second: float, macs_per_second: float) -> list[dict[str, Any]]:
    """The table of a case as dictionaries. The limits are those of the machine."""
    total = sum(row.seconds)
    return [
        {
            "name": entry.name,
            "n_calls": entry.n_calls,
            "seconds": entry.seconds,
            "pct_time": percent(entry.seconds, total),
            "gb_per_s": entry.bytes_per_second / 1e9,
            "pct_bandwidth": percent(entry.bytes_per_second, bytes_per_second),
            "gmac_per_s": entry.macs_per_second / 1e9,
            "pct_peak": percent(entry.macs_per_second, macs_per_second),
        }
        for entry in operations(row)
    ]


def profile_lines(row: Row, bytes_per_second: float, macs_per_second: float) -> Iterator[str]:
    """The table of a case in Markdown; times are those of one repetition."""
    n_repetitions = len(row.samples)
    yield f"| {row.case.name:<20} | calls | ms | share | GB/s | % of read | GMAC/s | % of peak |"
    yield "| :--- |" + " ---: |" * 7
    for facts in profile_facts(row, bytes_per_second, macs_per_second):
        times = [f"{facts['seconds'] / n_repetitions * 1e3:.3f}", f"{facts['pct_time']:.1f}%"]
        rates = [
            f"{facts['gb_per_s']:.2f}",
            f"{facts['pct_bandwidth']:.1f}%",
            f"{facts['gmac_per_s']:.2f}",
            f"{facts['pct_peak']:.1f}%",
        ]
        n_calls = facts["n_calls"] // n_repetitions
        cells = [str(n_calls), *times, *rates] if n_calls else ["", *times, "", "", "", ""]
        yield f"| {facts['name']:<20} | {' | '.join(cells)} |"


def chrome_trace(rows: Sequence[Row]) -> dict[str, Any]:
    """Every step and operation as a trace that chrome://tracing and ui.perfetto.dev show; times in us."""
    start = min(sample.steps[0].begin for row in rows for sample in row.samples)
    events: list[dict[str, Any]] = []

    def add(name: str, category: str, begin: float, end: float, args: dict[str, Any]) -> None:
        times = {"ts": (begin - start) * 1e6, "dur": (end - begin) * 1e6}
        events.append({"name": name, "cat": category, "ph": "X", "pid": 1, "tid": 1, "args": args} | times)

    for row in rows:
        for number, sample in enumerate(row.samples, 1):
            add(row.case.name, "case", sample.steps[0].begin, sample.steps[-1].end, {"repetition": number})
            for step in sample.steps:
                add("step", "step", step.begin, step.end, {"n_tokens": step.n_tokens})
                for call in step.calls:
                    work = {"bytes": call.bytes, "macs": call.macs}
                    add(call.name, "operation", call.begin, call.end, work)
    return {"traceEvents": events, "displayTimeUnit": "ms"}
