// Names for the beginnings of prompts: a key stands for all tokens from the first one to the end of
// a page.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace gptoss::kv {

// The key of the empty beginning is PrefixKey{}.
struct PrefixKey {
  uint64_t words[2] = {};

  friend bool operator==(const PrefixKey&, const PrefixKey&) = default;
};

// The key of what `parent` stands for with `tokens` behind it: BLAKE2b of both, so that nobody can
// write a prompt that is taken for another one's. The same on every machine.
PrefixKey key_after(const PrefixKey& parent, std::span<const int32_t> tokens);

// 16 digits for a word, 32 for a key.
std::string hex(uint64_t word);
std::string hex(const PrefixKey& key);

}  // namespace gptoss::kv
