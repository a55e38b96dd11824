"""python/gptoss_gguf/_native.pyi against the compiled module: names, attributes, parameters, defaults."""

from __future__ import annotations

import ast
from types import ModuleType
from typing import Any

from gptoss_gguf import _native

from .sources import ROOT

STUB = ROOT / "python/gptoss_gguf/_native.pyi"
Parameters = list[tuple[str, str | None]]  # "*" stands alone; (name, default as text or None)
# What Python and pybind11 put into every class and module.
_IGNORED = frozenset({"_pybind11_conduit_v1_"})


def split_commas(text: str) -> list[str]:
    """Splits at the commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        depth += (char in "([{<") - (char in ")]}>") if not quote else 0
        if char == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def documented_parameters(doc: str) -> Parameters:
    """The parameters in the signature that pybind11 writes into a docstring, self left out."""
    line = doc.splitlines()[0].replace("->", "\0")  # so that the arrow closes no bracket
    inside = line[line.index("(") + 1 : line.rindex(")", 0, line.rindex("\0"))]
    found: Parameters = []
    for part in split_commas(inside):
        head, has_default, default = part.partition(" = ")
        name = head.partition(":")[0]
        if name != "self":
            found.append((name, default if has_default else None))
    return found


def stub_parameters(node: ast.FunctionDef) -> Parameters:
    arguments = node.args
    positional = [argument.arg for argument in arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    found = list(zip(positional, [*defaults, *arguments.defaults], strict=True))
    named = [(a.arg, default) for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    star = [("*", None)] if named else []
    rendered = [
        (name, None if default is None else ast.unparse(default)) for name, default in found + star + named
    ]
    return [parameter for parameter in rendered if parameter[0] != "self"]


def agree(stub: Parameters, real: Parameters) -> bool:
    """Same names in order, and the same defaults; `...` in the stub stands for any default."""
    return [name for name, _ in stub] == [name for name, _ in real] and all(
        ours == theirs or (ours == "..." and theirs is not None)
        for (_, ours), (_, theirs) in zip(stub, real, strict=True)
    )


def stub_classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def stub_functions(body: list[ast.stmt]) -> dict[str, ast.FunctionDef]:
    """Functions and methods, properties left out."""
    return {n.name: n for n in body if isinstance(n, ast.FunctionDef) and not n.decorator_list}


def stub_attributes(body: list[ast.stmt]) -> set[str]:
    """Annotated attributes and properties of a class."""
    annotated = {n.target.id for n in body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    return annotated | {n.name for n in body if isinstance(n, ast.FunctionDef) and n.decorator_list}


def real_members(kind: type) -> dict[str, Any]:
    """Own public members; __init__ only where the class can be made from Python."""
    members = {name: value for name, value in vars(kind).items() if name not in _IGNORED}
    public = {name: value for name, value in members.items() if not name.startswith("_")}
    init = members.get("__init__")
    if init is not None and (init.__doc__ or "").startswith("__init__("):
        public["__init__"] = init
    return public


def class_differences(node: ast.ClassDef, kind: type) -> list[str]:
    members = real_members(kind)
    methods = {name: value for name, value in members.items() if not isinstance(value, property)}
    found = []
    if [ast.unparse(base) for base in node.bases] != [
        b.__name__ for b in kind.__bases__ if b.__module__ != "pybind11_builtins"
    ]:
        found.append(f"class {node.name}: bases {kind.__bases__}")
    odd_ones = sorted(stub_attributes(node.body) ^ (members.keys() - methods.keys()))
    found += [f"{node.name}.{name}: attribute on one side only" for name in odd_ones]
    return found + function_differences(f"{node.name}.", stub_functions(node.body), methods)


def function_differences(prefix: str, stub: dict[str, ast.FunctionDef], real: dict[str, Any]) -> list[str]:
    found = [f"{prefix}{name}: function on one side only" for name in sorted(stub.keys() ^ real.keys())]
    for name in sorted(stub.keys() & real.keys()):
        theirs = documented_parameters(real[name].__doc__)
        if not agree(stub_parameters(stub[name]), theirs):
            found.append(f"{prefix}{name}: the module takes {theirs}")
    return found


def differences(stub: str, module: ModuleType) -> list[str]:
    tree = ast.parse(stub)
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    classes = {name: value for name, value in public.items() if isinstance(value, type)}
    functions = {name: value for name, value in public.items() if name not in classes}
    in_stub = stub_classes(tree)
    found = [f"class {name}: on one side only" for name in sorted(in_stub.keys() ^ classes.keys())]
    for name in sorted(in_stub.keys() & classes.keys()):
        found += class_differences(in_stub[name], classes[name])
    return found + function_differences("", stub_functions(tree.body), functions)


def test_stub_matches_the_module() -> None:
    assert differences(STUB.read_text(encoding="utf-8"), _native) == []


def test_planted_differences_are_found() -> None:
    stub = STUB.read_text(encoding="utf-8")
    before = len(differences(stub, _native))
    for old, new in (
        ("    n_steps: int\n", ""),
        ("timeout: float | None = None", "timeout: float | None = 0"),
        ("    def cancel(self)", "    def stop(self)"),
        ("class RequestError(GptossError)", "class RequestError(Exception)"),
        ("def devices()", "def all_devices()"),
        ("        top_k: int = 0", "        k: int = 0"),
        (
            "    def submit(self, request: Request)",
            "    def submit(self, request: Request, wait: bool = False)",
        ),
    ):
        assert old in stub
        assert len(differences(stub.replace(old, new), _native)) > before, old
