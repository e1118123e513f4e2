// Which kernel computes a product of tiles, and how it is launched. Included by tiled_product.cu
// and tiled_product_bulk.cu only.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/cuda/dev.h"
#include "kernels/cuda/tiled_product_units.h"
#include "kernels/cuda/tiled_product_weights.h"

namespace instructblip::kernels::cuda {

constexpr std::size_t kMaxStagedBytes = 96 * 1024;

// Rows, and the weights and the bias of their norm.
inline std::size_t staged_bytes(const TiledProductProblem& p, const TiledProductBuffers& b) {
  if (p.norm == TiledProductProblem::Norm::none) return 0;
  const std::int32_t more = b.norm_bias == nullptr ? p.inputs : 2 * p.inputs;
  return (static_cast<std::size_t>(p.rows) * static_cast<std::size_t>(staged_pitch(p.inputs)) +
          static_cast<std::size_t>(more)) *
         2;
}

inline std::int32_t tiles_of(const TiledProductProblem& p) {
  using Finish = TiledProductProblem::Finish;
  if (p.finish == Finish::heads) return p.outputs / p.width * tiles_of_head(p.width);
  const std::int32_t of_tile = p.finish == Finish::gated ? 8 : kRowsOfTile;
  return (p.outputs + of_tile - 1) / of_tile;
}

inline TiledArguments arguments_of(const TiledProductProblem& p, const TiledProductBuffers& b) {
  return {p,
          b,
          tiles_of(p),
          units_of(p.weights, p.inputs),
          static_cast<std::int32_t>(bytes_of_tile(p.weights, p.inputs)),
          0};
}

inline dev::LaunchConfig config_of(const TiledArguments& a, void* stream, bool overlaps) {
  dev::LaunchConfig config;
  config.blocks.x = static_cast<unsigned>(std::min(a.tiles, a.problem.processors));
  config.stream = stream;
  config.overlaps_previous = overlaps;
  return config;
}

template <class Way, class T, class W, bool kStaged>
int launch_rows(TiledArguments& arguments, const dev::LaunchConfig& config) {
  const std::int32_t rows = arguments.problem.rows;
  if (rows <= 8) return Way::template launch<T, W, 1, kStaged>(arguments, config);
  if (rows <= 16) return Way::template launch<T, W, 2, kStaged>(arguments, config);
  return Way::template launch<T, W, 4, kStaged>(arguments, config);
}

template <class Way, class T, class W>
int launch_norm(TiledArguments& arguments, const dev::LaunchConfig& config) {
  return arguments.problem.norm == TiledProductProblem::Norm::none
             ? launch_rows<Way, T, W, false>(arguments, config)
             : launch_rows<Way, T, W, true>(arguments, config);
}

template <class Way, class T>
int launch_weights(TiledArguments& arguments, const dev::LaunchConfig& config) {
  const TiledProductProblem& p = arguments.problem;
  if (p.layout == TiledProductProblem::Layout::rows) {
    return launch_norm<Way, T, RowWeights>(arguments, config);
  }
  if (p.weights == Format::w4) return launch_norm<Way, T, TileWeights<4>>(arguments, config);
  if (p.weights == Format::w8) return launch_norm<Way, T, TileWeights<8>>(arguments, config);
  return launch_norm<Way, T, TileWeights<16>>(arguments, config);
}

template <class Way>
int launch_way(TiledArguments& arguments, const dev::LaunchConfig& config) {
  return arguments.problem.element == Element::f16
             ? launch_weights<Way, dev::Half>(arguments, config)
             : launch_weights<Way, dev::Bfloat>(arguments, config);
}

// tiled_product_bulk.cu
int multiply_tiles_in_bulk(TiledArguments& arguments, const dev::LaunchConfig& config);

}  // namespace instructblip::kernels::cuda
