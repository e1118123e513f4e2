// What the files of one instruction set compute of a linear product. Known to them, so it includes
// nothing that brings functions with it.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cpu {

enum class Storage { f32, f16, bf16 };

// x [rows, inputs], weights [outputs, inputs] -> y [rows, outputs], whose rows are `stride` apart.
struct LinearBlock {
  const float* x;
  const void* weights;
  Storage storage;
  std::int64_t rows, outputs, inputs;
  float* y;
  std::int64_t stride;
};

// Widens `count` weights.
using Widen = void (*)(const void* weights, Storage storage, std::int64_t count, float* out);
using RunLinearBlock = void (*)(const LinearBlock& block);

// Up to so many rows a weight is widened where it is used; from there on once for all rows, before.
inline constexpr std::int64_t kRowsWidenedInPlace = 4;

void linear_block_avx512(const LinearBlock& block);
void linear_block_avx2(const LinearBlock& block);
void linear_block_portable(const LinearBlock& block);
void widen_avx512(const void* weights, Storage storage, std::int64_t count, float* out);
void widen_avx2(const void* weights, Storage storage, std::int64_t count, float* out);
void widen_portable(const void* weights, Storage storage, std::int64_t count, float* out);

}  // namespace instructblip::kernels::cpu
