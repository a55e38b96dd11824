// Which instruction sets this machine has, and lets programs use: a family's functions need all
// that is named with it.
#pragma once

namespace gptoss::cpu_features {

#if defined(__x86_64__)
bool avx2();         // with FMA and F16C
bool avx_vnni();     // beside avx2()
bool avx512_vnni();  // F, BW, VL, DQ and VNNI, beside avx2()
bool avx512_bf16();  // beside avx512_vnni()
// Whether products of bfloat16 are faster than those of float32: on Intel's they take twice as long
// (Sapphire Rapids).
bool fast_bf16();
// AMX-TILE and AMX-INT8, beside avx512_vnni(); asks the kernel, once, to let this process use them.
bool amx_int8();
#elif defined(__aarch64__)
bool neon_dotprod();  // dot products of bytes, beside what every aarch64 has
#endif

}  // namespace gptoss::cpu_features
