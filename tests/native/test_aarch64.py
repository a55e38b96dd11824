"""The native test programs for aarch64 under qemu-user, built in build/aarch64: `pytest --aarch64`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .native_build import build, declared_tests, run_test

pytestmark = pytest.mark.aarch64

# Programs that an emulator cannot run, and why. engine_allocation computes whole steps on the NEON kernels.
LEFT_OUT = {
    "model": "computes for minutes, and on the reference device alone",
    "engine": "expects a chunk within 10 s, which takes longer where an emulator shares its cores",
}
# qemu's default has all that it emulates; this one has no dot products.
PLAIN_PROCESSOR = "cortex-a72"


@pytest.fixture(scope="session")
def aarch64() -> Path:
    return build("aarch64")


@pytest.mark.parametrize("name", [name for name in declared_tests() if name not in LEFT_OUT])
def test_neon(name: str, aarch64: Path) -> None:
    """On the NEON kernels; `kernels` fails where dispatch does not find them."""
    run_test(aarch64, name, timeout=1200, environment={"GPTOSS_CPU_ISA": "neon"})


def test_what_is_left_out_exists() -> None:
    assert set(declared_tests()) >= set(LEFT_OUT)


def test_plain_processor(aarch64: Path) -> None:
    """Nothing but the NEON spine needs dot products, and it is not chosen without them."""
    processor = {"QEMU_CPU": PLAIN_PROCESSOR}
    for name in ("machine", "kernels"):
        run_test(aarch64, name, timeout=1200, environment=processor)
    with pytest.raises(AssertionError, match="no 'neon' for int8; it computes that with scalar"):
        run_test(aarch64, "kernels", timeout=1200, environment={**processor, "GPTOSS_CPU_ISA": "neon"})
