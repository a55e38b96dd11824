#include "kv/prefix_key.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <vector>

namespace gptoss::kv {
namespace {

static_assert(std::endian::native == std::endian::little,
              "words and tokens are hashed as they lie");

// BLAKE2b (RFC 7693) with a digest of 16 bytes and no key.
constexpr size_t kBlockBytes = 128;
constexpr int kRounds = 12;

constexpr uint64_t kStart[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// The order in which a round takes the words of a block; rounds 10 and 11 are 0 and 1 again.
constexpr uint8_t kOrder[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

void mix(uint64_t& a, uint64_t& b, uint64_t& c, uint64_t& d, uint64_t x, uint64_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 32);
  c += d;
  b = std::rotr(b ^ c, 24);
  a += b + y;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 63);
}

// n_bytes: of the message up to the end of this block, padding left out.
void compress(uint64_t (&state)[8], const uint64_t (&block)[16], uint64_t n_bytes, bool is_last) {
  uint64_t v[16];
  std::copy_n(state, 8, v);
  std::copy_n(kStart, 8, v + 8);
  v[12] ^= n_bytes;
  if (is_last) v[14] = ~v[14];
  for (int round = 0; round < kRounds; ++round) {
    const uint8_t* const at = kOrder[round % 10];
    for (size_t i = 0; i < 4; ++i)  // columns
      mix(v[i], v[4 + i], v[8 + i], v[12 + i], block[at[2 * i]], block[at[2 * i + 1]]);
    for (size_t i = 0; i < 4; ++i)  // diagonals
      mix(v[i], v[4 + (i + 1) % 4], v[8 + (i + 2) % 4], v[12 + (i + 3) % 4], block[at[8 + 2 * i]],
          block[at[9 + 2 * i]]);
  }
  for (size_t i = 0; i < 8; ++i) state[i] ^= v[i] ^ v[8 + i];
}

}  // namespace

PrefixKey key_after(const PrefixKey& parent, std::span<const int32_t> tokens) {
  std::vector<std::byte> message(sizeof(parent.words) + tokens.size_bytes());
  std::memcpy(message.data(), parent.words, sizeof(parent.words));
  if (!tokens.empty())
    std::memcpy(message.data() + sizeof(parent.words), tokens.data(), tokens.size_bytes());

  PrefixKey key;
  uint64_t state[8];
  std::copy_n(kStart, 8, state);
  state[0] ^= 0x01010000 ^ sizeof(key.words);
  for (size_t begin = 0; begin < message.size(); begin += kBlockBytes) {
    const size_t n_bytes = std::min(kBlockBytes, message.size() - begin);
    uint64_t block[16] = {};
    std::memcpy(block, message.data() + begin, n_bytes);
    compress(state, block, begin + n_bytes, begin + n_bytes == message.size());
  }
  std::copy_n(state, 2, key.words);
  return key;
}

std::string hex(uint64_t word) {
  std::string text(16, '0');
  for (size_t i = 0; i < 16; ++i) text[15 - i] = "0123456789abcdef"[word >> (4 * i) & 15];
  return text;
}

std::string hex(const PrefixKey& key) { return hex(key.words[0]) + hex(key.words[1]); }

}  // namespace gptoss::kv
