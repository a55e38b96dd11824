"""Native layering: includes point down, as the table in native/README.md says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .sources import (
    NATIVE,
    ROOT,
    Source,
    code_only,
    cpp_sources,
    find_in_code,
    includes,
    layer_table,
    line_of,
    native_layers,
)

# Words that a folder must not know: data crosses a layer as spans, ids and plain structs.
FORBIDDEN_NOUNS = {
    "native/kernels": "Config Request Sequence Scheduler Engine Completion GgufFile KvCache PageTable",
    "native/kv": "Config Request Sequence Scheduler Engine Completion GgufFile",
    "native/sampling": "Config Request Sequence Scheduler Engine Completion Grammar",
    "native/gguf": "Config Request Sequence Scheduler Engine Completion",
}


def home(path: str, layers: Mapping[str, int]) -> str | None:
    """The folder of the table that a path relative to native/ lies in."""
    return next((folder for folder in layers if path.startswith(folder + "/")), None)


def layer_violations(files: list[Source], layers: Mapping[str, int]) -> list[str]:
    """Includes that do not point to the own folder or a lower layer, or that point nowhere."""
    found = []
    for file in files:
        own = home(file.path.removeprefix("native/"), layers)
        for include in includes(file):
            where = f"{file.path}:{include.line}: {include.target}"
            if own is None:
                found.append(f"{where}: its folder is not in the layer table")
            elif include.is_quoted:
                other = home(include.target, layers)
                if other is None or not any(f.path == f"native/{include.target}" for f in files):
                    found.append(f'{where}: write it as "folder/file.h", relative to native/')
                elif other != own and layers[other] >= layers[own]:
                    found.append(f"{where}: L{layers[own]} may not see L{layers[other]}")
            elif include.target.startswith("gptoss/") and not (NATIVE / "include" / include.target).is_file():
                found.append(f"{where}: there is no such public header")
    return found


def binding_violations(files: list[Source]) -> list[str]:
    """What the bindings see besides themselves, the public headers, pybind11 and the standard library."""
    allowed = re.compile(r"bindings/|gptoss/|pybind11/|[a-z_]+$")
    return [
        f"{file.path}:{include.line}: {include.target}"
        for file in files
        for include in includes(file)
        if not allowed.match(include.target)
    ]


def public_header_violations(files: list[Source]) -> list[str]:
    """What public headers include besides the standard library and one another."""
    return [
        f"{file.path}:{include.line}: {include.target}"
        for file in files
        for include in includes(file)
        if include.is_quoted or not re.fullmatch(r"[a-z_]+|gptoss/[a-z_]+\.h", include.target)
    ]


def cmake_dependencies(text: str) -> dict[str, set[str]]:
    """Target -> folders it names in DEPS, from the gptoss_library() calls in a CMake file."""
    calls = re.findall(r"gptoss_library\((\w+)\s+([^)]*)\)", text)
    return {name: set(body.partition("DEPS")[2].split()) for name, body in calls}


def closure(target: str, dependencies: Mapping[str, set[str]]) -> set[str]:
    direct = dependencies[target]
    return direct | {far for near in direct for far in closure(near, dependencies)}


def test_includes_point_down() -> None:
    assert layer_violations(cpp_sources("native"), native_layers()) == []


def test_planted_includes_are_found() -> None:
    layers = layer_table("| L2 | `high` | text |\n| L1 | `low` | text |\n| L1 | `side` | text |\n")
    low = Source("native/low/a.h", '// #include "high/b.h"\n#include "side/c.h"\n#include "nowhere/d.h"\n')
    high = Source("native/high/b.h", '#include "low/a.h"\n#include "b.h"\n#include <gptoss/none.h>\n')
    found = layer_violations([low, high, Source("native/side/c.h", '#include "high/b.h"\n')], layers)
    expected = ("low/a.h:2", "low/a.h:3", "high/b.h:2", "high/b.h:3", "side/c.h:1")
    assert [v.split(": ")[0].removeprefix("native/") for v in found] == list(expected)


def test_bindings_see_only_the_public_headers() -> None:
    assert binding_violations(cpp_sources("native/bindings")) == []
    planted = Source(
        "native/bindings/x.cc", '#include <vector>\n#include "model/model.h"\n#include <unistd.h>\n'
    )
    assert len(binding_violations([planted])) == 2


def test_public_headers_see_only_the_standard_library() -> None:
    assert public_header_violations(cpp_sources("native/include")) == []
    planted = Source(
        "native/include/gptoss/x.h", "#include <gptoss/error.h>\n#include <pybind11/pybind11.h>\n"
    )
    assert len(public_header_violations([planted])) == 1


def test_only_bindings_know_python() -> None:
    known = [
        f"{file.path}:{include.line}"
        for file in cpp_sources("native")
        for include in includes(file)
        if re.match(r"pybind11/|Python\.h", include.target) and not file.path.startswith("native/bindings/")
    ]
    assert known == []


def test_folders_do_not_name_what_is_above_them() -> None:
    for folder, nouns in FORBIDDEN_NOUNS.items():
        pattern = re.compile(rf"\b({'|'.join(nouns.split())})\b")
        assert find_in_code(cpp_sources(folder), pattern) == [], folder
        planted = Source(f"{folder}/x.h", f"// {nouns}\nvoid f(const {nouns.split()[0]}&);\n")
        assert len(find_in_code([planted], pattern)) == 1


def test_cmake_declares_every_edge() -> None:
    """A folder links to what it includes, directly or through another folder."""
    layers = native_layers()
    texts = [path.read_text(encoding="utf-8") for path in sorted(NATIVE.glob("*/CMakeLists.txt"))]
    dependencies = {name: deps for text in texts for name, deps in cmake_dependencies(text).items()}
    missing = []
    for file in cpp_sources("native"):
        own = home(file.path.removeprefix("native/"), layers)
        if own not in dependencies:
            continue
        for include in includes(file):
            other = home(include.target, layers) if include.is_quoted else None
            if other not in (None, own) and other not in closure(own, dependencies):
                missing.append(f"{file.path}:{include.line}: {own} lacks DEPS {other}")
    assert missing == []
    assert closure("a", {"a": {"b"}, "b": {"c"}, "c": set()}) == {"b", "c"}


def test_every_folder_is_a_row_of_the_table() -> None:
    folders = {path.name for path in NATIVE.iterdir() if path.is_dir()} - {"cmake", "include"}
    folders |= {f"include/{path.name}" for path in (NATIVE / "include").iterdir()}
    assert folders == set(native_layers())


def test_no_backend_is_chosen_by_the_preprocessor() -> None:
    """A missing backend is another file to link, so every build compiles the same text."""
    pattern = re.compile(r"^[ \t]*#[ \t]*(?:el)?if[^\n]*(?:CUDA|AVX|NEON|AMX)", re.MULTILINE)
    assert find_in_code(cpp_sources("native"), pattern) == []
    assert find_in_code([Source("native/x.h", "// x\n#ifdef GPTOSS_CUDA\n")], pattern) == [
        "native/x.h:2: #ifdef GPTOSS_CUDA"
    ]


def test_code_only_blanks_comments_and_literals() -> None:
    text = 'a; // b\nc("d\\"e"); /* f\ng */ h(R"(i")"); int j = 1\'000;\n'
    code = code_only(text)
    assert [name for name in "abcdefghij" if re.search(rf"\b{name}\b", code)] == ["a", "c", "h", "j"]
    assert line_of(code, code.index("h(")) == 3
    assert (ROOT / "native").is_dir()
