// GMAC/s of the CPU device's products, for each instruction set of this machine, on one thread.
//
//   cmake --preset lab && cmake --build --preset lab && build/lab/bench/lab/lab_product [ISA ...]
//
// A gpt-oss expert's sizes: 2,880 inputs. The weights of 64 pairs of panels are taken in turn, so
// that they come from the L2 cache or from memory, as in a model.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "kernels/cpu/kernel_table.h"

using namespace gptoss;
using namespace gptoss::kernels::cpu;

namespace {

constexpr int64_t kBlocks = 90, kPairs = 64;

struct Case {
  const char* name;
  quant::TensorType type;
  void (*KernelTable::*product)(const ProductArgs&);
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Best of several rounds over all pairs of panels.
double gmacs(const KernelTable& table, const Case& which, int n_rows) {
  const size_t panel = panel_bytes(which.type, kBlocks);
  Buffer weights(2 * kPairs * panel, "weights"), scratch(kProductScratch, "scratch");
  for (size_t i = 0; i < 2 * kPairs * panel; ++i) weights.data()[i] = std::byte{0x3c};  // about 1
  const Buffer tiles(static_cast<size_t>(tiles_of(n_rows) * kBlocks) * table.tile_bytes, "tiles");
  std::vector<float> floats(static_cast<size_t>(n_rows * kBlocks * kBlock), 0.5f);
  std::vector<float> out(static_cast<size_t>(128 * kProductWidth));
  std::vector<const float*> rows;
  for (int r = 0; r < n_rows; ++r) {
    rows.push_back(&floats[static_cast<size_t>(r * kBlocks * kBlock)]);
    table.quantize(rows.back(), kBlocks,
                   tiles.data() + static_cast<size_t>(r / kInputRows * kBlocks) * table.tile_bytes,
                   r % kInputRows);
  }
  double best = 1e9;
  for (int round = 0; round < 7; ++round) {
    const double begin = seconds();
    for (int64_t pair = 0; pair < kPairs; ++pair) {
      const std::byte* first = weights.data() + static_cast<size_t>(2 * pair) * panel;
      (table.*which.product)({{first, first + panel},
                              kBlocks,
                              n_rows,
                              tiles.data(),
                              rows.data(),
                              out.data(),
                              scratch.data()});
    }
    best = std::min(best, seconds() - begin);
  }
  return static_cast<double>(kPairs * kProductWidth * kBlocks * kBlock * n_rows) / best * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  const Case cases[] = {{"mxfp4", quant::TensorType::mxfp4, &KernelTable::product_mxfp4},
                        {"q8_0", quant::TensorType::q8_0, &KernelTable::product_q8_0},
                        {"bf16", quant::TensorType::bf16, &KernelTable::product_bf16}};
  const int rows[] = {1, 4, 8, 16, 64, 128};
  std::printf("%-10s %-7s %-6s", "isa", "inputs", "type");
  for (int n : rows) std::printf(" %4d rows", n);
  std::printf("   (GMAC/s, one thread)\n");
  auto tables = supported_kernels("int8");
  for (const KernelTable* table : supported_kernels("bf16")) tables.push_back(table);
  for (const KernelTable* table : tables) {
    const bool is_wanted = argc == 1 || std::any_of(argv + 1, argv + argc, [&](const char* name) {
                             return std::strcmp(name, table->isa) == 0;
                           });
    if (!is_wanted) continue;
    for (const Case& which : cases) {
      std::printf("%-10s %-7s %-6s", table->isa, table->arithmetic, which.name);
      for (int n : rows) std::printf(" %9.1f", gmacs(*table, which, n));
      std::printf("\n");
    }
  }
}
