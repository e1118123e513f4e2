// y = f(norm(x) w^T) for few rows on a CUDA device, with weights of 16, 8 or 4 bits that have been
// put in order for it (weight_tiles.h), or of 16 bits as they lie: the contract of tiled_product.cu
// and tiled_product_bulk.cu.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/rows.h"
#include "kernels/panels.h"

namespace instructblip::kernels::cuda {

struct TiledProductProblem {
  enum class Norm { none, rms, layer };
  enum class Finish {
    plain,  // y = x w^T + bias + residual
    gated,  // y = gate(x w^T) * (x v^T), of tiles that have both
    heads   // queries, keys and values to where attention finds them, see kv_append.h
  };

  enum class Layout {
    tiles,
    rows  // those of a matrix as it lies, weights of the element: outputs; where gated all of the
          // gate, then all of what it is multiplied with
  };

  Element element = Element::f16;  // x, bias, residual, y, what is normalised; sums are float32
  Format weights = Format::f16;    // that of the element, w8 or w4
  Layout layout = Layout::tiles;
  std::int32_t rows = 0;     // at most 32
  std::int32_t inputs = 0;   // a multiple of 8
  std::int32_t outputs = 0;  // a row of y; in heads of all of them
  Norm norm = Norm::none;    // what is done to x, as in rows.h, rounded to the element
  float eps = 0.0f;
  Finish finish = Finish::plain;
  Activation gate = Activation::silu;
  bool activates = false;  // a plain y is gate(x w^T + bias) + residual
  bool wide = false;       // a plain y is float32: logits
  std::int32_t query_heads = 0, key_heads = 0;
  std::int32_t width = 0;  // one head: a multiple of 16, in rows of 8
  std::int32_t page_positions = 1;
  std::int32_t processors = 132;  // multiprocessors of the device: a block for each
  bool bulk_copies = false;       // the device has them: compute capability 9.0
};

// All contiguous and aligned to 16 bytes, tiles to 128; where rows are normalised, so many fit as
// take, with the norm's weights, 96 KiB. y may be the residual.
struct TiledProductBuffers {
  const void* x;                      // [rows, inputs]
  const void* tiles;                  // one behind the other; or rows
  void* y = nullptr;                  // [rows, outputs]; none of heads
  const void* norm_weight = nullptr;  // [inputs], with a norm
  const void* norm_bias = nullptr;    // [inputs], or null
  const void* bias = nullptr;         // [outputs], or null; none where gated
  const void* residual = nullptr;     // [rows, outputs], or null; plain only
  // What heads need, as in KvAppendBuffers; rows are positions.
  const float* cosines = nullptr;  // [rows, width / 2], or null
  const float* sines = nullptr;
  const std::int32_t* slots = nullptr;
  void* const* pages_of_keys = nullptr;
  void* const* pages_of_values = nullptr;
  void* queries = nullptr;  // [rows, query_heads, width]
};

// Why the kernel does not take such sizes; null: it does.
const char* tiled_product_refuses(const TiledProductProblem& problem,
                                  const TiledProductBuffers& buffers);

// As attend(). The tiles and what a norm weighs and adds are read before the launch before has
// ended: it must not write them. A row has the same bits whatever is computed beside it, on any
// number of multiprocessors, with bulk copies or without, of tiles or of rows.
[[nodiscard]] int multiply_tiles(const TiledProductProblem& problem,
                                 const TiledProductBuffers& buffers, void* stream,
                                 bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
