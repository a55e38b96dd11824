// In assembly: between intrinsics compilers put copies, which cost as much as the arithmetic. A
// round is twelve independent sums, enough for two units with a latency of up to six cycles.
#include "base/cpu_features.h"
#include "machine/peak.h"

namespace gptoss::machine {
namespace {

#define GPTOSS_VECTOR_REGISTERS                                                            \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
// A function that repeats `instructions` for each \sum of the twelve.
#define GPTOSS_PEAK_LOOP(name, instructions)                                          \
  void name(uint64_t n_rounds) {                                                      \
    asm volatile("vzeroall" ::: GPTOSS_VECTOR_REGISTERS);                             \
    for (uint64_t round = 0; round < n_rounds; ++round)                               \
      asm volatile(".irp sum,4,5,6,7,8,9,10,11,12,13,14,15\n" instructions ".endr" :: \
                       : GPTOSS_VECTOR_REGISTERS);                                    \
    asm volatile("vzeroall" ::: GPTOSS_VECTOR_REGISTERS);                             \
  }

GPTOSS_PEAK_LOOP(avx2_float32, "vfmadd231ps %%ymm0, %%ymm1, %%ymm\\sum\n")
GPTOSS_PEAK_LOOP(avx2_int8,  // without VNNI a product of bytes takes three instructions
                 "vpmaddubsw %%ymm0, %%ymm1, %%ymm3\n"
                 "vpmaddwd %%ymm2, %%ymm3, %%ymm3\n"
                 "vpaddd %%ymm3, %%ymm\\sum, %%ymm\\sum\n")
GPTOSS_PEAK_LOOP(avx_vnni_int8, "%{vex%} vpdpbusd %%ymm0, %%ymm1, %%ymm\\sum\n")
GPTOSS_PEAK_LOOP(avx512_float32, "vfmadd231ps %%zmm0, %%zmm1, %%zmm\\sum\n")
GPTOSS_PEAK_LOOP(avx512_int8, "vpdpbusd %%zmm0, %%zmm1, %%zmm\\sum\n")

GPTOSS_PEAK_LOOP(avx512_bf16, "vdpbf16ps %%zmm0, %%zmm1, %%zmm\\sum\n")

constexpr uint64_t kSums = 12;

// Tiles of 16 rows of 64 bytes: 16 x 16 sums of 64 products each.
constexpr uint64_t kTileMacs = 16 * 16 * 64, kTileSums = 6;
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void amx_int8(uint64_t n_rounds) {
  static constexpr TileConfig kConfig;
  asm volatile("ldtilecfg %0" ::"m"(kConfig));
  for (uint64_t round = 0; round < n_rounds; ++round)
    asm volatile(".irp sum,0,1,2,3,4,5\ntdpbssd %tmm6, %tmm7, %tmm\\sum\n.endr");
  asm volatile("tilerelease");
}

}  // namespace

std::vector<PeakLoop> vector_peak_loops() {
  std::vector<PeakLoop> loops;
  if (cpu_features::avx2()) {
    loops.push_back({"avx2", "float32", kSums * 8, avx2_float32});
    loops.push_back({"avx2", "int8", kSums * 32, avx2_int8});
  }
  if (cpu_features::avx_vnni()) loops.push_back({"avxvnni", "int8", kSums * 32, avx_vnni_int8});
  if (cpu_features::avx512_vnni()) {
    loops.push_back({"avx512", "float32", kSums * 16, avx512_float32});
    loops.push_back({"avx512", "int8", kSums * 64, avx512_int8});
  }
  if (cpu_features::avx512_bf16()) loops.push_back({"avx512bf16", "bf16", kSums * 32, avx512_bf16});
  if (cpu_features::amx_int8()) loops.push_back({"amx", "int8", kTileSums * kTileMacs, amx_int8});
  return loops;
}

}  // namespace gptoss::machine
