"""The library never prints, aborts, exits or reads the environment behind its caller's back."""

from __future__ import annotations

import ast
import re

from .sources import Source, cpp_sources, find_in_code, python_sources

FORBIDDEN = re.compile(
    r"\b(?:abort|exit|_exit|_Exit|quick_exit|terminate|raise|kill)\s*\("
    r"|\b(?:v?f?printf|v?dprintf|puts|fputs|putchar|fputc|fwrite|perror)\s*\("
    r"|\bstd::(?:cout|cerr|clog|print|println)\b|<(?:iostream|print|syslog\.h)>"
    r"|\b(?:secure_)?getenv\b|\benviron\b"
)
# The one native file that may read an environment variable (GPTOSS_CPU_ISA, once, when a device is made).
MAY_READ_ENVIRONMENT = "native/kernels/cpu/dispatch.cc"

END_OR_OUTPUT = frozenset({"sys.stdout", "sys.exit", "os._exit", "os.abort"})


def forbidden_calls(files: list[Source]) -> list[str]:
    return [
        found
        for found in find_in_code(files, FORBIDDEN)
        if not (found.startswith(MAY_READ_ENVIRONMENT) and found.endswith("getenv"))
    ]


def prints(files: list[Source]) -> list[str]:
    """Where Python files print without naming another stream, use standard output, or end the process."""
    found = []
    for file in files:
        for node in ast.walk(ast.parse(file.text, file.path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "breakpoint"}:
                if not any(keyword.arg == "file" for keyword in node.keywords):
                    found.append(f"{file.path}:{node.lineno}: {ast.unparse(node.func)}()")
            elif isinstance(node, ast.Attribute) and ast.unparse(node) in END_OR_OUTPUT:
                found.append(f"{file.path}:{node.lineno}: {ast.unparse(node)}")
    return found


def test_native_code_is_silent() -> None:
    assert forbidden_calls(cpp_sources("native")) == []


def test_the_python_library_is_silent() -> None:
    """Standard output belongs to the program; progress goes to standard error, by choice of the caller."""
    programs = ("/cli/", "/__main__.py")
    library = [file for file in python_sources("python") if not any(part in file.path for part in programs)]
    assert prints(library) == []


def test_planted_calls_are_found() -> None:
    text = 'std::cerr << 1;\nstd::printf("x");\n::abort();\nreturn getenv("X");\n#include <iostream>\n'
    assert len(forbidden_calls([Source("native/base/x.cc", text)])) == 5
    assert forbidden_calls([Source(MAY_READ_ENVIRONMENT, 'std::getenv("GPTOSS_CPU_ISA");\n')]) == []
    assert (
        forbidden_calls([Source("native/x.cc", "// abort()\nstd::snprintf(t, n, f); at_exit_code(1);\n")])
        == []
    )
    text = "import sys\nprint(1)\nprint(2, file=sys.stderr)\nsys.stdout.write('')\nsys.exit(1)\n"
    assert len(prints([Source("python/x.py", text)])) == 3
