// Which kernel computes a product of tiles, and how it is launched. Included by tiled_product.cu
// and tiled_product_bulk.cu only.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/cuda/dev.h"
#include "kernels/cuda/tiled_product_units.h"

namespace instructblip::kernels::cuda {

constexpr std::size_t kMaxStagedBytes = 96 * 1024;

inline std::size_t staged_bytes(const TiledProductProblem& p) {
  if (p.norm == TiledProductProblem::Norm::none) return 0;
  return static_cast<std::size_t>(p.rows) * static_cast<std::size_t>(staged_pitch(p.inputs)) * 2;
}

inline TiledArguments arguments_of(const TiledProductProblem& p, const TiledProductBuffers& b) {
  const std::int32_t of_tile = p.finish == TiledProductProblem::Finish::gated ? 8 : kRowsOfTile;
  return {p,
          b,
          (p.outputs + of_tile - 1) / of_tile,
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

template <class Way, class T, int kBits>
int launch_rows(TiledArguments& arguments, const dev::LaunchConfig& config) {
  const TiledProductProblem& p = arguments.problem;
  if (p.norm != TiledProductProblem::Norm::none) {
    return Way::template launch<T, kBits, 1, true>(arguments, config);
  }
  if (p.rows <= 8) return Way::template launch<T, kBits, 1, false>(arguments, config);
  if (p.rows <= 16) return Way::template launch<T, kBits, 2, false>(arguments, config);
  return Way::template launch<T, kBits, 4, false>(arguments, config);
}

template <class Way, class T>
int launch_bits(TiledArguments& arguments, const dev::LaunchConfig& config) {
  if (arguments.problem.weights == Format::w4) return launch_rows<Way, T, 4>(arguments, config);
  if (arguments.problem.weights == Format::w8) return launch_rows<Way, T, 8>(arguments, config);
  return launch_rows<Way, T, 16>(arguments, config);
}

template <class Way>
int launch_way(TiledArguments& arguments, const dev::LaunchConfig& config) {
  return arguments.problem.element == Element::f16
             ? launch_bits<Way, dev::Half>(arguments, config)
             : launch_bits<Way, dev::Bfloat>(arguments, config);
}

// tiled_product_bulk.cu
int multiply_tiles_in_bulk(TiledArguments& arguments, const dev::LaunchConfig& config);

}  // namespace instructblip::kernels::cuda
