// How much memory is left for this process.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace gptoss {

// Bytes this process may still take: the least of what the system and each of its control groups
// (v1 or v2) have left, where file pages that can be dropped count as left. nullopt where the
// system does not tell.
std::optional<size_t> available_memory();

// Takes the pages that lie within a mapped file out of this process; whoever reads them again gets
// them from the system's cache or from the file.
void drop_pages(std::span<const std::byte> mapped) noexcept;

}  // namespace gptoss
