"""The checkout as the architecture tests see it: files, code without comments, imports, the layer table.

Every check is a function over such data, so that a test can also plant a violation and see it found.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
NATIVE: Final = ROOT / "native"
CPP_SUFFIXES: Final = frozenset({".cc", ".h", ".cu", ".cuh"})
CODE_FOLDERS: Final = ("native", "python", "convert", "bench", "training", "scripts", "tests")

_CPP_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Source:
    """A text file: its path relative to the root, with forward slashes, and its contents."""

    path: str
    text: str

    @property
    def suffix(self) -> str:
        return Path(self.path).suffix

    @property
    def folder(self) -> str:
        return str(Path(self.path).parent)


def files_under(*folders: str) -> Iterator[Path]:
    """Every file of the checkout under these folders, caches excepted, in order of path."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def sources(*folders: str, suffixes: frozenset[str]) -> list[Source]:
    found = [
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in files_under(*folders)
        if path.suffix in suffixes
    ]
    assert found, f"no {sorted(suffixes)} files under {folders}: this test looks in the wrong place"
    return found


def cpp_sources(*folders: str) -> list[Source]:
    return sources(*folders, suffixes=CPP_SUFFIXES)


def python_sources(*folders: str) -> list[Source]:
    return sources(*folders, suffixes=frozenset({".py"}))


def code_only(text: str, *, keep_strings: bool = False) -> str:
    """C++ with comments and, unless kept, the contents of literals blanked; line numbers stay."""

    def blank(match: re.Match[str]) -> str:
        token = match.group()
        if token.startswith("/"):
            return "\n" * token.count("\n")
        return token if keep_strings else '""' + "\n" * token.count("\n")

    return _CPP_TOKEN.sub(blank, text)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def find_in_code(files: list[Source], pattern: re.Pattern[str]) -> list[str]:
    """'path:line: text' of every match outside comments and literals."""
    return [
        f"{file.path}:{line_of(code, match.start())}: {match.group()}"
        for file in files
        for code in [code_only(file.text)]
        for match in pattern.finditer(code)
    ]


@dataclass(frozen=True)
class Include:
    line: int
    target: str
    is_quoted: bool


def includes(file: Source) -> list[Include]:
    """The #include lines of a file, those in comments left out."""
    pattern = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)
    code = code_only(file.text, keep_strings=True)
    return [
        Include(line_of(code, match.start()), match[1] or match[2], match[1] is not None)
        for match in pattern.finditer(code)
    ]


def layer_table(readme: str) -> dict[str, int]:
    """Folder of native/ -> layer, from the table of native/README.md."""
    rows = re.findall(r"^\| L(\d+) \| `([\w/]+)` \| \S.* \|$", readme, re.MULTILINE)
    table = {folder: int(layer) for layer, folder in rows}
    assert len(table) == len(rows), "a folder has two rows in native/README.md"
    assert table, "native/README.md has no layer table"
    return table


def native_layers() -> dict[str, int]:
    return layer_table((NATIVE / "README.md").read_text(encoding="utf-8"))


def imports(file: Source, *, package: str) -> list[tuple[int, str]]:
    """(line, absolute module) of every import in a Python file of `package`, lazy and type-checking ones too.

    `from a import b` counts as a.b, since b may be a module.
    """
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(file.text, file.path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]).rstrip(".")
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found
