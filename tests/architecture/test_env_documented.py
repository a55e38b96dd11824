"""Every environment variable that anything here reads stands in the README's table, and vice versa."""

from __future__ import annotations

import ast
import re

from .sources import CODE_FOLDERS, ROOT, Source, code_only, cpp_sources, python_sources


def documented(readme: str) -> set[str]:
    """The names in the table under the heading 'Environment variables'."""
    section = readme.partition("\n## Environment variables\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return f"<{ast.unparse(node)}>"  # a computed name cannot be documented


def python_reads(file: Source) -> list[tuple[int, str]]:
    """(line, name) of the environment variables a Python file reads."""
    found = []
    for node in ast.walk(ast.parse(file.text, file.path)):
        if isinstance(node, ast.Call) and re.fullmatch(
            r"(?:os\.)?environ\.(?:get|pop|setdefault)|(?:os\.)?getenv", ast.unparse(node.func)
        ):
            found.append((node.lineno, _name_of(node.args[0])))
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) in {"os.environ", "environ"}:
            found.append((node.lineno, _name_of(node.slice)))
        elif isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]) in {"os.environ", "environ"}:
            found.append((node.lineno, _name_of(node.left)))
        elif isinstance(node, ast.keyword) and node.arg == "envvar":  # typer options
            found.append((node.value.lineno, _name_of(node.value)))
    return found


def cpp_reads(file: Source) -> list[tuple[int, str]]:
    code = code_only(file.text, keep_strings=True)
    calls = re.finditer(r'getenv\s*\(\s*(?:"(\w+)"|([^)]*))', code)
    return [(code.count("\n", 0, call.start()) + 1, call[1] or f"<{call[2]}>") for call in calls]


def all_reads() -> dict[str, str]:
    """Name -> a place that reads it."""
    reads: dict[str, str] = {}
    for file in python_sources(*CODE_FOLDERS):
        reads |= {name: f"{file.path}:{line}" for line, name in python_reads(file)}
    for file in cpp_sources("native", "tests"):
        reads |= {name: f"{file.path}:{line}" for line, name in cpp_reads(file)}
    return reads


def test_every_variable_is_documented_and_read() -> None:
    table = documented((ROOT / "README.md").read_text(encoding="utf-8"))
    reads = all_reads()
    assert {name: place for name, place in reads.items() if name not in table} == {}
    ours = {name for name in table if name.startswith("GPTOSS_")}
    assert ours, "the table lists none of our own variables"
    assert ours <= set(reads), "documented, but nothing reads it"


def test_planted_reads_are_found() -> None:
    text = (
        "import os\nos.environ.get('A')\nos.environ['B']\nos.getenv('C', '')\n'D' in os.environ\n"
        "os.environ.get(name)\ntyper.Option(envvar='E')\ndict(os.environ)\n"
    )
    names = {name for _, name in python_reads(Source("python/x.py", text))}
    assert names == {"A", "B", "C", "D", "<name>", "E"}
    cpp = Source("native/x.cc", '// getenv("F")\nstd::getenv("G"); getenv(name);\n')
    assert cpp_reads(cpp) == [(2, "G"), (2, "<name>")]
    assert documented("x\n## Environment variables\n| `A` | x |\n\n## Next\n| `B` | x |\n") == {"A"}
