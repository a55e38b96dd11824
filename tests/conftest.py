"""Options of all tests.

--require-all      a skipped test fails, unless what it lacks cannot be installed
--sanitize         runs the lanes that build the native tests with sanitizers
--aarch64          runs the native tests built for aarch64, under qemu-user
--training         runs the tests that train a model; they need PyTorch and transformers
--llama-cpp-lib    folder of llama.cpp's shared libraries (scripts/get_llama_cpp.sh fetches them)
"""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LLAMA_CPP_LIB = ROOT / "build/llama-cpp/package/bins/linux-x64"

# The reasons that --require-all accepts: hardware. A skip for want of it must begin like this.
HARDWARE_REASONS = re.compile(r"(?:no GPU|this machine has no|this CPU lacks)\b", re.IGNORECASE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-all", action="store_true", help="skipped tests fail, unless hardware is missing"
    )
    parser.addoption(
        "--sanitize", action="store_true", help="also run the native tests under ASan, UBSan and TSan"
    )
    parser.addoption(
        "--aarch64", action="store_true", help="also cross-compile the native tests for aarch64 and run them"
    )
    parser.addoption("--training", action="store_true", help="also run the tests that need PyTorch")
    parser.addoption(
        "--llama-cpp-lib",
        type=Path,
        metavar="DIR",
        default=LLAMA_CPP_LIB,
        help=f"folder with llama.cpp's shared libraries (default: {LLAMA_CPP_LIB.relative_to(ROOT)})",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    lanes = [lane for lane in ("sanitize", "aarch64", "training") if not config.getoption(f"--{lane}")]
    deselected = [item for item in items if any(map(item.get_closest_marker, lanes))]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if item not in deselected]


def _refuse_skip(config: pytest.Config, report: pytest.TestReport | pytest.CollectReport) -> None:
    """Under --require-all, turns a skip for want of something installable into a failure."""
    is_xfail = hasattr(report, "wasxfail")
    if not config.getoption("--require-all") or report.outcome != "skipped" or is_xfail:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not HARDWARE_REASONS.match(reason):
        report.outcome = "failed"
        report.longrepr = f"--require-all: skipped, but nothing may be missing here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(item.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(collector.config, report)
    return report
