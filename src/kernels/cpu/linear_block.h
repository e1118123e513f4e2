// What the files of one instruction set compute of a linear product. Known to them, so it includes
// nothing that brings functions with it.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cpu {

enum class Storage { f32, f16, bf16 };

// weights [outputs, inputs] -> y [rows, outputs], whose rows are `stride` apart.
struct LinearBlock {
  const float* x;  // as RowsBySixteens has them; or one row
  const void* weights;
  Storage storage;
  std::int64_t rows, outputs, inputs;
  float* y;
  std::int64_t stride;
};

// Rows of x, tile by tile: sixteen inputs of each row of a tile, then the next sixteen. Rows that
// lie apart by a multiple of 4 KiB, as they often do, would drive one another and the weights out
// of the few places that a first level cache has for them.
struct RowsBySixteens {
  const float* x;  // [rows, inputs]
  std::int64_t rows, inputs;
  float* tiles;  // [rows, inputs_by_sixteens(inputs)]
};

// Rows that are multiplied with a block of weights before the next rows are: what is read of the
// weights for the first of them stays in a cache for the others.
inline constexpr std::int64_t kRowsOfGroup = 12;

namespace {  // to each file its own

inline std::int64_t inputs_by_sixteens(std::int64_t inputs) { return (inputs + 15) / 16 * 16; }

}  // namespace

// Widens `count` weights.
using Widen = void (*)(const void* weights, Storage storage, std::int64_t count, float* out);
using RunLinearBlock = void (*)(const LinearBlock& block);
using Regroup = void (*)(const RowsBySixteens& rows);

// Up to so many rows a weight is widened where it is used; from there on once for all rows, before.
inline constexpr std::int64_t kRowsWidenedInPlace = 4;

void linear_block_avx512(const LinearBlock& block);
void linear_block_avx2(const LinearBlock& block);
void linear_block_portable(const LinearBlock& block);
void regroup_avx512(const RowsBySixteens& rows);
void widen_avx512(const void* weights, Storage storage, std::int64_t count, float* out);
void regroup_avx2(const RowsBySixteens& rows);
void widen_avx2(const void* weights, Storage storage, std::int64_t count, float* out);
void regroup_portable(const RowsBySixteens& rows);
void widen_portable(const void* weights, Storage storage, std::int64_t count, float* out);

}  // namespace instructblip::kernels::cpu
