"""The native test programs, one pytest case each."""

from __future__ import annotations

from pathlib import Path

import pytest

from .native_build import build, ctest_commands, declared_tests, run_test


@pytest.fixture(scope="session")
def release() -> Path:
    return build("release")


def test_every_program_has_a_case(release: Path) -> None:
    assert declared_tests() == list(ctest_commands(release))


@pytest.mark.parametrize("name", declared_tests())
def test_program(name: str, release: Path) -> None:
    run_test(release, name, timeout=600)
