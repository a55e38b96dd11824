"""The options of tests/conftest.py do what CI relies on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .sources import ROOT

CASES = """
import pytest

def test_passes(): pass
def test_lacks_a_package(): pytest.skip("needs the package x")
def test_lacks_a_gpu(): pytest.skip("no GPU here")
@pytest.mark.skipif(True, reason="needs data")
def test_lacks_data(): pass
@pytest.mark.xfail(strict=True)
def test_known_to_fail(): raise ValueError
@pytest.mark.sanitize
def test_sanitized(): pass
"""


def outcome(folder: Path, *options: str) -> str:
    """The last line of a pytest run over CASES and a module that skips itself."""
    (folder / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    sanitize: x\n")
    (folder / "test_cases.py").write_text(CASES)
    (folder / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_package')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.splitlines()[-1].partition(" in ")[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "1 passed, 4 skipped, 1 deselected, 1 xfailed"),
        (("--sanitize",), "2 passed, 4 skipped, 1 xfailed"),
        # A skip in a mark fails in the setup and a skip of a module in the collection: both count as errors.
        (
            ("--require-all", "--continue-on-collection-errors"),
            "1 failed, 1 passed, 1 skipped, 1 deselected, 1 xfailed, 2 errors",
        ),
    ],
)
def test_options(options: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, *options) == expected
