"""The native test programs under sanitizers, built in build/asan and build/tsan: `pytest --sanitize`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .native_build import build, declared_tests, run_test

pytestmark = pytest.mark.sanitize

# TSan's shadow memory does not fit every layout of the address space; setarch gives it a fixed one.
UNRANDOMISED = ("setarch", "--addr-no-randomize")
# Programs in which one thread does everything: ThreadSanitizer has nothing to watch there.
SINGLE_THREADED = frozenset({"quant", "gguf", "gguf_mutation"})


@pytest.fixture(scope="session")
def asan() -> Path:
    return build("asan")


@pytest.fixture(scope="session")
def tsan() -> Path:
    return build("tsan")


@pytest.mark.parametrize("name", declared_tests())
def test_asan(name: str, asan: Path) -> None:
    """Out-of-bounds reads, use after free, leaks, undefined behaviour."""
    run_test(asan, name, timeout=1200)


@pytest.mark.parametrize("name", [name for name in declared_tests() if name not in SINGLE_THREADED])
def test_tsan(name: str, tsan: Path) -> None:
    """Data races."""
    run_test(tsan, name, timeout=1200, wrapper=UNRANDOMISED)


def test_the_single_threaded_programs_exist() -> None:
    assert set(declared_tests()) >= SINGLE_THREADED
