// What never varies within the gpt-oss family. Files are checked against these at load; kernels
// rely on them.
#pragma once

namespace gptoss {

inline constexpr int kHeadDim = 64;         // width of one attention head
inline constexpr int kQueryGroup = 8;       // query heads that share one KV head
inline constexpr int kExpertsPerToken = 4;  // experts the router picks
inline constexpr int kWindow = 128;     // tokens a sliding layer sees, the token itself included
inline constexpr int kBlock = 32;       // every width is a multiple of this (MXFP4 and Q8_0 block)
inline constexpr int kPageTokens = 64;  // tokens of one KV page
inline constexpr float kSwigluAlpha = 1.702f;
inline constexpr float kSwigluLimit = 7.0f;

// Layers alternate, beginning with a sliding one.
constexpr bool is_sliding_layer(int layer) { return layer % 2 == 0; }

}  // namespace gptoss
