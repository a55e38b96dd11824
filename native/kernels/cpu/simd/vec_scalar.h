// Sixteen lanes in plain C++: the twin that every other vector header is compared with.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cpu/layout.h"
#include "kernels/cpu/simd/scalar_halves.h"

namespace {

constexpr int kLanes = 16;

struct Floats {
  float lane[kLanes];
};
struct Ints {
  int32_t lane[kLanes];
};
// 64 weight codes: 4 of each of 16 rows.
struct Codes {
  int8_t byte[64];
};

template <class Function>
inline Floats each(Function function) {
  Floats result;
  for (int i = 0; i < kLanes; ++i) result.lane[i] = function(i);
  return result;
}
template <class Function>
inline Ints each_int(Function function) {
  Ints result;
  for (int i = 0; i < kLanes; ++i) result.lane[i] = function(i);
  return result;
}

inline Floats load(const float* p) {
  return each([&](int i) { return p[i]; });
}
inline void store(float* p, Floats x) { std::memcpy(p, x.lane, sizeof x.lane); }
inline Floats broadcast(float x) {
  return each([&](int) { return x; });
}
inline Floats load_half(const uint16_t* p) {
  return each([&](int i) { return float_of_half(p[i]); });
}
inline Floats load_bf16(const uint16_t* p) {
  return each([&](int i) { return float_of_bits(static_cast<uint32_t>(p[i]) << 16); });
}
// 2^(e - 128), also where that is subnormal.
inline Floats load_e8m0_halved(const uint8_t* p) {
  return each(
      [&](int i) { return float_of_bits(p[i] < 2 ? 0x00200000u << p[i] : (p[i] - 1u) << 23); });
}

inline Floats add(Floats a, Floats b) {
  return each([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Floats sub(Floats a, Floats b) {
  return each([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline Floats mul(Floats a, Floats b) {
  return each([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline Floats div(Floats a, Floats b) {
  return each([&](int i) { return a.lane[i] / b.lane[i]; });
}
// a * b + c, rounded once.
inline Floats fma(Floats a, Floats b, Floats c) {
  return each([&](int i) { return __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]); });
}
// b where either is NaN, as the vector instructions have it.
inline Floats max(Floats a, Floats b) {
  return each([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Floats min(Floats a, Floats b) {
  return each([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Floats magnitude(Floats a) {
  return each([&](int i) { return __builtin_fabsf(a.lane[i]); });
}

// a, but 0 for what is smaller than `least`.
inline Floats drop_below(Floats a, float least) {
  return each([&](int i) { return __builtin_fabsf(a.lane[i]) < least ? 0.0f : a.lane[i]; });
}

inline Ints load_int(const int32_t* p) {
  return each_int([&](int i) { return p[i]; });
}
// a where first <= at < end.
inline Floats keep_between(Floats a, Ints first, Ints end, int at, float otherwise) {
  return each(
      [&](int i) { return first.lane[i] <= at && at < end.lane[i] ? a.lane[i] : otherwise; });
}
inline Ints broadcast_int(int32_t x) {
  return each_int([&](int) { return x; });
}
inline Floats to_float(Ints a) {
  return each([&](int i) { return static_cast<float>(a.lane[i]); });
}
// To nearest, ties to even; the lowest integer for what is not in range.
inline Ints to_int(Floats a) {
  return each_int([&](int i) {
    const float rounded = __builtin_nearbyintf(a.lane[i]);
    return rounded >= -0x1p31f && rounded < 0x1p31f ? static_cast<int32_t>(rounded) : INT32_MIN;
  });
}
// 2^n for -127 < n < 128.
inline Floats power_of_two(Ints n) {
  return each([&](int i) { return float_of_bits(static_cast<uint32_t>(n.lane[i] + 127) << 23); });
}
inline void store_low_bytes(int8_t* p, Ints a) {
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<int8_t>(a.lane[i]);
}
inline void store_low_halves(int16_t* p, Ints a) {
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<int16_t>(a.lane[i]);
}
// The low halves of both, side by side: (16, 2).
inline void store_pairs(int16_t* p, Ints first, Ints second) {
  for (int i = 0; i < kLanes; ++i) {
    p[2 * i] = static_cast<int16_t>(first.lane[i]);
    p[2 * i + 1] = static_cast<int16_t>(second.lane[i]);
  }
}
// sums + a.first * b.first + a.second * b.second of pairs of 16-bit integers, modulo 2^32.
inline Ints dot_pairs(Ints sums, Ints a, Ints b) {
  const auto first = [](int32_t pair) { return static_cast<int16_t>(pair); };
  const auto second = [](int32_t pair) { return static_cast<int16_t>(pair >> 16); };
  return each_int([&](int i) {
    const int32_t x = a.lane[i], y = b.lane[i];
    return static_cast<int32_t>(static_cast<uint32_t>(sums.lane[i]) +
                                static_cast<uint32_t>(first(x) * first(y)) +
                                static_cast<uint32_t>(second(x) * second(y)));
  });
}

// What codes are larger than the weights by, where they are: those of MXFP4 are if it is not 0.
constexpr int kCodeOffset = 0;
constexpr bool kInt8HasOffset = false;

// Its own copy: an inline constant of another header would be a symbol that all objects share.
constexpr int8_t kMxfp4Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// 64 bytes of nibbles: codes of the low ones, then of the high ones.
inline void load_mxfp4(const uint8_t* p, Codes& low, Codes& high) {
  for (int i = 0; i < 64; ++i) {
    low.byte[i] = kMxfp4Doubled[p[i] & 15];
    high.byte[i] = kMxfp4Doubled[p[i] >> 4];
  }
}
inline Codes load_int8(const uint8_t* p) {
  Codes codes;
  std::memcpy(codes.byte, p, sizeof codes.byte);
  return codes;
}
inline Codes load_codes(const uint8_t* p) { return load_int8(p); }
inline void store_codes(uint8_t* p, Codes codes) { std::memcpy(p, codes.byte, sizeof codes.byte); }

// sums + first and second codes of each row times 8 activations, the first and second four at x.
inline Ints dot_mxfp4(Ints sums, Codes first, Codes second, const int8_t* x) {
  return each_int([&](int i) {
    int32_t sum = sums.lane[i];
    for (int j = 0; j < 4; ++j)
      sum += first.byte[4 * i + j] * x[j] + second.byte[4 * i + j] * x[4 + j];
    return sum;
  });
}
inline Ints dot_int8(Ints sums, Codes first, Codes second, const int8_t* x) {
  return dot_mxfp4(sums, first, second, x);
}

// Weights as floats. p: 4 bytes of each row; of each row byte 0 to 3, its low or high nibble
// doubled as in load_mxfp4.
inline Floats mxfp4_floats(const uint8_t* p, int byte, int is_high) {
  return each([&](int i) {
    return static_cast<float>(kMxfp4Doubled[p[4 * i + byte] >> (4 * is_high) & 15]);
  });
}
inline Floats int8_floats(const uint8_t* p, int byte) {
  return each([&](int i) { return static_cast<float>(static_cast<int8_t>(p[4 * i + byte])); });
}

// Tiles of the products: panels x rows of input.
constexpr int kTilePanels = 1;
constexpr int kTileRows = 4;
// Tiles of attention: keys x vectors of query rows of scores, keys where there is one such vector,
// query rows of weighted values.
constexpr int kScoreKeys = 2;
constexpr int kScoreVectors = 1;
constexpr int kScoreKeysAlone = 2;
constexpr int kValueRows = 2;

inline void prefetch(const void*) {}

}  // namespace
