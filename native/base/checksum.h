// A checksum that finds torn and flipped bytes: XXH64 with seed 0, the same on every machine.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace gptoss {
namespace xxh64 {

static_assert(std::endian::native == std::endian::little, "words are read as they lie");

inline constexpr size_t kStripe = 32;  // bytes: a word of 8 for each of four lanes
inline constexpr uint64_t kPrime1 = 0x9e3779b185ebca87;
inline constexpr uint64_t kPrime2 = 0xc2b2ae3d27d4eb4f;
inline constexpr uint64_t kPrime3 = 0x165667b19e3779f9;
inline constexpr uint64_t kPrime4 = 0x85ebca77c2b2ae63;
inline constexpr uint64_t kPrime5 = 0x27d4eb2f165667c5;

template <typename Word>
Word word_at(const std::byte* data) {
  Word word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

inline uint64_t round(uint64_t lane, uint64_t word) {
  return std::rotl(lane + word * kPrime2, 31) * kPrime1;
}

}  // namespace xxh64

// Misses a change once in 2^64. Does not stop those who forge data.
inline uint64_t checksum(std::span<const std::byte> bytes) {
  using namespace xxh64;
  const std::byte* data = bytes.data();
  const std::byte* const end = data + bytes.size();
  uint64_t hash = kPrime5;
  if (bytes.size() >= kStripe) {
    // Lanes that do not wait for each other's multiplications.
    uint64_t lanes[] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
    for (; static_cast<size_t>(end - data) >= kStripe; data += kStripe)
      for (size_t i = 0; i < 4; ++i) lanes[i] = round(lanes[i], word_at<uint64_t>(data + 8 * i));
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
           std::rotl(lanes[3], 18);
    for (const uint64_t lane : lanes) hash = (hash ^ round(0, lane)) * kPrime1 + kPrime4;
  }
  hash += bytes.size();
  for (; end - data >= 8; data += 8)
    hash = std::rotl(hash ^ round(0, word_at<uint64_t>(data)), 27) * kPrime1 + kPrime4;
  if (end - data >= 4) {
    hash = std::rotl(hash ^ word_at<uint32_t>(data) * kPrime1, 23) * kPrime2 + kPrime3;
    data += 4;
  }
  for (; data < end; ++data)
    hash = std::rotl(hash ^ static_cast<uint8_t>(*data) * kPrime5, 11) * kPrime1;
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

}  // namespace gptoss
