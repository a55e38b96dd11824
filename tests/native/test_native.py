"""The native test programs, one pytest case each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .native_build import build, ctest_names, declared_tests, run_test


@pytest.fixture(scope="session")
def release() -> Path:
    return build("release")


def test_every_program_has_a_case(release: Path) -> None:
    assert declared_tests() == ctest_names(release)


@pytest.mark.parametrize("name", declared_tests())
def test_program(name: str, release: Path) -> None:
    output = run_test(release, name, timeout=600)
    assert re.search(r"^[1-9]\d* passed, 0 failed$", output, re.MULTILINE), output[-2000:]
