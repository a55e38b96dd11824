"""Python layering: cli > server, bench > the package > the native module; convert stands alone."""

from __future__ import annotations

import sys
from pathlib import Path

from .sources import ROOT, Source, imports, python_sources

# Module prefix -> layer; the longest prefix that fits counts. Two prefixes of one layer are strangers.
LAYERS = {
    "gptoss_gguf.__main__": 10,
    "gptoss_gguf.cli": 9,
    "gptoss_gguf.server": 8,
    "gptoss_gguf.bench": 8,
    "gptoss_gguf": 7,
    "gptoss_gguf._native": 6,
    "gptoss_gguf.convert": 0,
}
# Where the packaging puts a folder of the checkout (pyproject.toml, tool.scikit-build.wheel.packages).
PACKAGES = {
    "python/gptoss_gguf": "gptoss_gguf",
    "convert": "gptoss_gguf.convert",
    "bench": "gptoss_gguf.bench",
}
CONVERT_MAY_IMPORT = {"numpy", "safetensors", "gguf"}


def module_of(path: str) -> str:
    """Dotted name in the installed package of a file of the checkout."""
    folder = next(folder for folder in PACKAGES if path.startswith(folder + "/"))
    inner = Path(path).relative_to(folder).with_suffix("").parts
    return ".".join([PACKAGES[folder], *(part for part in inner if part != "__init__")])


def package_of(path: str) -> str:
    module = module_of(path)
    return module if path.endswith("__init__.py") else module.rpartition(".")[0]


def prefix_of(module: str) -> str:
    fits = [prefix for prefix in LAYERS if module == prefix or module.startswith(prefix + ".")]
    return max(fits, key=len, default="")


def violations(files: list[Source]) -> list[str]:
    """Imports that point up or sideways, or at tests."""
    found = []
    for file in files:
        own = prefix_of(module_of(file.path))
        for line, target in imports(file, package=package_of(file.path)):
            other = prefix_of(target)
            where = f"{file.path}:{line}: {target}"
            if target.split(".")[0] in {"tests", "convert", "bench", "scripts"}:
                found.append(f"{where}: a folder of the checkout, not of the installed package")
            elif other and other != own and LAYERS[other] >= LAYERS[own]:
                found.append(f"{where}: {own} may not see {other}")
            elif own == "gptoss_gguf.convert" and not other:
                top = target.split(".")[0]
                if top not in CONVERT_MAY_IMPORT and top not in sys.stdlib_module_names:
                    found.append(f"{where}: convert needs {sorted(CONVERT_MAY_IMPORT)} only")
    return found


def test_imports_point_down() -> None:
    assert violations(python_sources(*PACKAGES)) == []


def test_planted_imports_are_found() -> None:
    planted = [
        Source(
            "python/gptoss_gguf/llm.py", "from gptoss_gguf.cli import main\nfrom gptoss_gguf import _native\n"
        ),
        Source("python/gptoss_gguf/models/x.py", "from ..cli import main\nfrom ..convert import plan\n"),
        Source("convert/plan.py", "def f():\n    from gptoss_gguf import _native\n"),
        Source("convert/dense.py", "import torch\nimport json, numpy\nfrom . import plan\n"),
        Source("bench/__init__.py", "from tests import fixtures\nfrom gptoss_gguf.server import app\n"),
    ]
    lines = [violation.split(": ")[0].rpartition("/")[2] for violation in violations(planted)]
    assert lines == ["llm.py:1", "x.py:1", "plan.py:2", "dense.py:1", "__init__.py:1", "__init__.py:2"]


def test_every_package_folder_exists() -> None:
    assert all((ROOT / folder).is_dir() for folder in PACKAGES)
