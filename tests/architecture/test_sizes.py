"""Size budgets: files that fit in a head, functions that fit on a screen."""

from __future__ import annotations

import ast
import re

from .sources import Source, code_only, cpp_sources, line_of, python_sources

# Most lines of a file, by suffix. Kernels may be longer than the rest of the sources.
FILE_BUDGET = {".cc": 400, ".cu": 400, ".h": 200, ".cuh": 200, ".py": 300}
TEST_BUDGET = 400  # a table of cases is easier to read than a table in two files
FUNCTION_BUDGET = 80
# path -> (its own budget, why).
FILE_EXCEPTIONS = {
    "native/kernels/ops.h": (
        260,
        "the whole contract of a device; split, it could no longer be read in one go",
    ),
}
_CONTROL = re.compile(r"(?:else\s+)?(?:if|for|while|switch|catch|do|else|try)\b")
_NO_FUNCTION = re.compile(r"\b(?:namespace|class|struct|enum|union|extern)\b|=\s*$|\breturn\b")


def file_budget(file: Source) -> int:
    return TEST_BUDGET if file.path.startswith("tests/") else FILE_BUDGET[file.suffix]


def oversized_files(files: list[Source]) -> list[str]:
    found = []
    for file in files:
        budget = FILE_EXCEPTIONS.get(file.path, (file_budget(file), ""))[0]
        n_lines = file.text.count("\n")
        if n_lines > budget:
            found.append(f"{file.path}: {n_lines} lines, {budget} allowed")
    return found


def cpp_functions(file: Source) -> list[tuple[int, int]]:
    """(first line, lines) of every brace block that follows a parameter list."""
    code = code_only(file.text)
    found, opened, header_begin = [], [], 0
    for match in re.finditer(r"[{};]", code):
        at = match.start()
        if match.group() == "{":
            header = code[header_begin:at].strip()
            is_function = ")" in header and not _CONTROL.match(header) and not _NO_FUNCTION.search(header)
            first = header_begin + len(code[header_begin:at]) - len(code[header_begin:at].lstrip())
            opened.append(line_of(code, first) if is_function else None)
        elif match.group() == "}" and opened:
            begin = opened.pop()
            if begin is not None:
                found.append((begin, line_of(code, at) - begin + 1))
        header_begin = at + 1
    return found


def python_functions(file: Source) -> list[tuple[int, int]]:
    """(first line, lines) of every function, without its docstring."""
    found = []
    for node in ast.walk(ast.parse(file.text, file.path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
            n_doc = doc.end_lineno - doc.lineno + 1 if doc is not None and doc.end_lineno else 0
            assert node.end_lineno is not None
            found.append((node.lineno, node.end_lineno - node.lineno + 1 - n_doc))
    return found


def oversized_functions(files: list[Source]) -> list[str]:
    return [
        f"{file.path}:{line}: {n_lines} lines, {FUNCTION_BUDGET} allowed"
        for file in files
        for line, n_lines in (python_functions if file.suffix == ".py" else cpp_functions)(file)
        if n_lines > FUNCTION_BUDGET
    ]


def all_code() -> list[Source]:
    return cpp_sources("native", "tests") + python_sources("python", "convert", "bench", "scripts", "tests")


def test_files_fit_in_a_head() -> None:
    assert oversized_files(all_code()) == []


def test_functions_fit_on_a_screen() -> None:
    assert oversized_functions(all_code()) == []


def test_exceptions_are_still_needed() -> None:
    by_path = {file.path: file for file in all_code()}
    for path, (budget, reason) in FILE_EXCEPTIONS.items():
        assert reason
        assert file_budget(by_path[path]) < by_path[path].text.count("\n") <= budget, path


def test_planted_giants_are_found() -> None:
    assert oversized_files([Source("native/x.h", "\n" * 201), Source("convert/x.py", "\n" * 300)]) == [
        "native/x.h: 201 lines, 200 allowed"
    ]
    body = "  if (x) {\n  }\n" * 40
    cpp = f"namespace n {{\nint f(int x)\n    const {{\n{body}}}\nstruct S {{\n{body}}};\n}}\n"
    assert oversized_functions([Source("native/x.cc", cpp)]) == ["native/x.cc:2: 83 lines, 80 allowed"]
    py = 'def f():\n    """D\n    D"""\n' + "    x = 1\n" * 80
    assert oversized_functions([Source("convert/x.py", py)]) == ["convert/x.py:1: 81 lines, 80 allowed"]
