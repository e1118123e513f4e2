// Shared memory that a block of the larger kernels asks for at most: devices have 99 KiB (8.6, 8.9,
// 12.0), 163 (8.0) or 227 (9.0) of it. Apart from the kernels, which launch what they are asked to;
// a test holds it against what they ask for.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/tiled_product.h"

namespace instructblip::kernels::cuda {

// attention.cu: queries of a block, keys and values of two tiles, and T5's bias by distance.
constexpr std::int64_t attention_shared_bytes(const AttentionProblem& p) {
  const std::int64_t queries = p.width <= 96 ? 128 : 64, keys = 64;
  const std::int64_t padded = p.width <= 64 ? 64 : p.width <= 80 ? 80 : p.width <= 96 ? 96 : 128;
  const std::int64_t bias = p.max_distance > 0 ? 4 * (2 * std::int64_t{p.max_distance} + 1) : 0;
  return (queries + 4 * keys) * (padded + 8) * 2 + bias;
}

// tiled_product.cu: a ring of six units for each of eight warps, sums of two tiles, and rows that
// are normalised, with the weights and the bias of the norm.
constexpr std::int64_t ring_shared_bytes(const TiledProductProblem& p) {
  const std::int64_t unit = p.weights == Format::w4 ? 1152 : 1024;
  const std::int64_t eights = p.rows <= 8 ? 1 : p.rows <= 16 ? 2 : 4;
  const std::int64_t ring = 8 * 6 * unit, sums = 2 * 8 * eights * 8 * 20 * 4;
  const std::int64_t pitch = (p.inputs + 63) / 64 * 64 + 32;
  const bool normalises = p.norm != TiledProductProblem::Norm::none;
  return ring + sums + (normalises ? 2 * (p.rows * pitch + 2 * p.inputs) : 0);
}

}  // namespace instructblip::kernels::cuda
