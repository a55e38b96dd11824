"""Vector intrinsics and inline assembly live in native/kernels/cpu/simd and in the ISA spines only.

And in what measures the peak of vector instructions.
"""

from __future__ import annotations

import re

from .sources import Source, code_only, cpp_sources, includes, line_of

# Scalar, and its own tests cannot tell it from nothing: the hint that a thread spins.
ALLOWED = {("native/base/thread_pool.cc", "__builtin_ia32_pause")}
HOME = re.compile(r"native/kernels/cpu/(?:simd/|isa_\w+\.cc$)|native/machine/peak_(?:x86|neon)\.cc$")
INTRINSIC = re.compile(
    r"\b_mm\d*_\w+|\b__m(?:128|256|512)\w*|\b(?:float|u?int|bfloat)\d+x\d+(?:x\d)?_t\b|\bv(?:ld|st|dot|mla|mul|add)\w*q?_[fsu]\d+"
    r"|\b__builtin_(?:ia32|neon|aarch64)_\w+|\b_tile_\w+|\b__?asm(?:__)?\b|\basm\s*(?:volatile)?\s*\(|\btarget\s*\("
)
HEADER = re.compile(r"\w*(?:intrin|arm_neon|arm_sve|arm_bf16|arm_acle)\w*\.h")


def intrinsics(files: list[Source]) -> list[str]:
    """Where files outside their home use intrinsics or include their headers."""
    found = []
    for file in files:
        if HOME.match(file.path):
            continue
        code = code_only(file.text)
        found += [
            f"{file.path}:{line_of(code, match.start())}: {match.group()}"
            for match in INTRINSIC.finditer(code)
            if (file.path, match.group()) not in ALLOWED
        ]
        found += [f"{file.path}:{i.line}: {i.target}" for i in includes(file) if HEADER.fullmatch(i.target)]
    return found


def test_intrinsics_stay_at_home() -> None:
    assert intrinsics(cpp_sources("native", "tests/native")) == []


def test_planted_intrinsics_are_found() -> None:
    text = (
        "#include <immintrin.h>\n__m256 x = _mm256_setzero_ps();\n"
        'float32x4_t y = vld1q_f32(p);\nasm volatile("");\n'
    )
    assert len(intrinsics([Source("native/kernels/moe.cc", text)])) == 6
    assert intrinsics([Source("native/kernels/cpu/simd/vec_avx2.h", text)]) == []
    assert intrinsics([Source("native/kernels/cpu/isa_avx2.cc", text)]) == []
    assert intrinsics([Source("native/x.cc", "// _mm256_add_ps\nint vstack_size = 1;\n")]) == []
