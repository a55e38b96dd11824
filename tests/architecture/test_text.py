"""Text hygiene: ASCII, no left-over marks, no paths of one machine, a licence, a purpose for every file."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from .sources import CODE_FOLDERS, ROOT, Source, cpp_sources, files_under, python_sources

TEXT_SUFFIXES = frozenset(
    {".cc", ".h", ".cu", ".cuh", ".py", ".pyi", ".txt", ".cmake", ".toml", ".md", ".json", ".yaml", ".sh"}
)
# Data that must hold what it holds.
DATA = ("tests/fixtures/goldens/", "tests/fixtures/vocab/")
MARK = re.compile("TO" + r"DO|FIX" + r"ME|\bXX" + r"X\b")
LOCAL_PATH = re.compile(r"(?<![\w.])/(?:wor" + r"k|tmp/" + r"dev|root|home/\w+)/")


def text_files() -> list[Source]:
    top = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT_SUFFIXES]
    below = [
        path
        for path in files_under(*CODE_FOLDERS, ".ci")
        if path.suffix in TEXT_SUFFIXES or ".ci" in path.parts
    ]
    relative = [(path, path.relative_to(ROOT).as_posix()) for path in top + below]
    return [
        Source(name, path.read_text(encoding="utf-8")) for path, name in relative if not name.startswith(DATA)
    ]


def matches(files: list[Source], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{file.path}:{number}: {found.group()!a}"
        for file in files
        for number, line in enumerate(file.text.splitlines(), 1)
        if (found := pattern.search(line))
    ]


@pytest.mark.parametrize(
    ("pattern", "planted"),
    [
        pytest.param(re.compile(r"[^\x00-\x7f]+|\r"), "a \u2013 b", id="ascii"),
        pytest.param(re.compile(r"[ \t]+$|\t"), "a ", id="blanks"),
        pytest.param(MARK, "// FIX" + "ME: later", id="marks"),
        pytest.param(LOCAL_PATH, "see /wor" + "k/notes", id="local-paths"),
    ],
)
def test_text_is_clean(pattern: re.Pattern[str], planted: str) -> None:
    assert matches(text_files(), pattern) == []
    assert len(matches([Source("x.md", f"fine\n{planted}\n")], pattern)) == 1


def test_files_end_with_one_newline() -> None:
    wrong = [
        file.path
        for file in text_files()
        if file.text and (file.text[-1] != "\n" or file.text.endswith("\n\n"))
    ]
    assert wrong == []


def test_headers_state_their_purpose_and_are_guarded() -> None:
    headers = [file for file in cpp_sources("native", "tests/native") if file.suffix in {".h", ".cuh"}]
    wrong = [h.path for h in headers if not h.text.startswith("// ") or "\n#pragma once\n" not in h.text]
    assert wrong == []


def test_python_modules_state_their_purpose() -> None:
    silent = [
        file.path
        for file in python_sources(*CODE_FOLDERS)
        if file.text.strip() and ast.get_docstring(ast.parse(file.text)) is None
    ]
    assert silent == []


def test_the_licence_is_apache_2() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    words = (ROOT / "LICENSE").read_text(encoding="utf-8").split()
    assert " ".join(words[:4]) == "Apache License Version 2.0,"
    assert "END OF TERMS AND CONDITIONS" in " ".join(words)


def test_data_folders_exist() -> None:
    assert all(Path(ROOT, folder).is_dir() for folder in DATA)
