// Values that files on disk depend on: they must never change unseen.
#include "kv/prefix_key.h"

#include <bit>
#include <set>
#include <string_view>
#include <vector>

#include "base/checksum.h"
#include "testing.h"

using namespace gptoss;
using namespace gptoss::kv;

namespace {

std::vector<int32_t> numbered(int n_tokens) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < n_tokens; ++i) tokens.push_back(1000 * i + 7);
  return tokens;
}

uint64_t checksum_of(std::string_view text) { return checksum(std::as_bytes(std::span(text))); }

int n_different_bits(const PrefixKey& a, const PrefixKey& b) {
  return std::popcount(a.words[0] ^ b.words[0]) + std::popcount(a.words[1] ^ b.words[1]);
}

}  // namespace

// From Python: hashlib.blake2b(parent + tokens, digest_size=16), little-endian words.
TEST(keys_are_those_of_blake2b) {
  const PrefixKey parent{{1, 2}};
  CHECK_EQ(hex(PrefixKey{}), std::string(32, '0'));
  CHECK_EQ(hex(key_after({}, {})), "61e9728ad5e13b4658437c368498a58e");
  CHECK_EQ(hex(key_after({}, numbered(64))), "389cd3058b79966d14ea279094d84ba8");
  CHECK_EQ(hex(key_after(parent, numbered(3))), "1e1e09354087246fceeb0f8d82814bfa");
  // The message is one block of BLAKE2b, exactly.
  CHECK_EQ(hex(key_after(parent, numbered(28))), "15b671998fce26cbd93f073e1a2a2792");
}

TEST(every_bit_of_a_prompt_counts) {
  const std::vector<int32_t> tokens = numbered(64);
  const PrefixKey key = key_after({}, tokens);
  std::set<std::string> keys = {hex(key)};
  for (size_t bit = 0; bit < 64 * 32; ++bit) {
    std::vector<int32_t> others = tokens;
    others[bit / 32] ^= static_cast<int32_t>(1u << bit % 32);
    const PrefixKey other = key_after({}, others);
    CHECK(n_different_bits(key, other) > 30);
    keys.insert(hex(other));
  }
  for (int n = 0; n < 64; ++n) keys.insert(hex(key_after({}, numbered(n))));
  for (int bit = 0; bit < 128; ++bit) {
    PrefixKey parent;
    parent.words[bit / 64] = uint64_t{1} << bit % 64;
    keys.insert(hex(key_after(parent, tokens)));
  }
  CHECK_EQ(keys.size(), size_t{1 + 64 * 32 + 64 + 128});
}

// From the Python package xxhash.
TEST(checksums_are_those_of_xxh64) {
  CHECK_EQ(checksum_of(""), 0xef46db3751d8e999);
  CHECK_EQ(checksum_of("a"), 0xd24ec4f1a98c6e5b);
  CHECK_EQ(checksum_of("abc"), uint64_t{0x44bc2cf5ad770999});
  std::vector<std::byte> bytes(1000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  const auto of_first = [&](size_t n) { return checksum(std::span(bytes).first(n)); };
  CHECK_EQ(of_first(13), 0x92e7ac00fd9ce667);
  CHECK_EQ(of_first(31), uint64_t{0x0f187c62b1e722b7});
  CHECK_EQ(of_first(32), 0x91b0cb0931a8c629);
  CHECK_EQ(of_first(100), 0x8e2272c08247d5db);
  CHECK_EQ(of_first(1000), uint64_t{0x73e51810f1f77450});
}

TEST(checksums_find_flipped_and_torn_bytes) {
  std::vector<std::byte> bytes(515, std::byte{0});
  std::set<uint64_t> sums = {checksum(bytes)};
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const auto mask = static_cast<std::byte>(1u << bit % 8);
    bytes[bit / 8] ^= mask;
    sums.insert(checksum(bytes));
    bytes[bit / 8] ^= mask;
  }
  for (size_t n = 0; n < bytes.size(); ++n) sums.insert(checksum(std::span(bytes).first(n)));
  CHECK_EQ(sums.size(), 9 * bytes.size() + 1);
}
