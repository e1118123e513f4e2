// A weight matrix of 8 or 4 bits in the memory of a device, as its kernels read it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "nn/packed_matrix.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// Rows of a matrix that a kernel computes together, for what it does to both: it finds them in the
// same tile (kernels/cuda/weight_tiles.h).
struct Pairing {
  enum class Kind {
    none,
    gate,  // rows of the gate, and those of what it is multiplied with, the matrix's second half
    heads  // dimensions of a head, and those half its width behind them
  };
  Kind kind = Kind::none;
  std::int64_t width = 0;  // width of a head

  // This one where blocks of so many rows have tiles in it, else none.
  Pairing fitted(const std::vector<at::Tensor>& blocks) const;
};

// Immutable.
class TiledMatrix {
 public:
  // Packs blocks [rows of each, columns] float32 of the host, one behind the other, on all threads
  // of the runtime, and uploads them. The elements are those of a PackedMatrix.
  TiledMatrix(const Runtime& runtime, Format format, Pairing pairing,
              std::vector<at::Tensor> blocks);

  Format format() const { return format_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  Pairing::Kind pairing() const { return pairing_.kind; }
  std::int64_t head_width() const { return pairing_.width; }

  // Whether these rows are tiles of their own, and where the first of them is.
  bool has_tiles_of(std::int64_t first, std::int64_t count) const;
  const void* tile_of(std::int64_t row) const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(tiles_.nbytes()); }

  // Rounded to `type` there, [rows, columns].
  at::Tensor values(at::ScalarType type) const;
  // Outputs [..., count] of rows that has_tiles_of() took, from the order of tiles to that of rows.
  at::Tensor in_order(const at::Tensor& outputs) const;

 private:
  // A tile's place is [outer][inner]; its halves lie `inner` rows of eight apart.
  struct Order {
    std::int64_t outer, inner;
  };
  Order order_of(std::int64_t tiles) const;
  at::Tensor values_of_bytes(at::ScalarType type) const;
  at::Tensor values_of_nibbles(at::ScalarType type) const;

  Format format_;
  Pairing pairing_;
  std::int64_t rows_, columns_;
  at::Tensor tiles_;  // [tiles, bytes of a tile] uint8
};

// Bytes of a matrix of these rows once it is in tiles.
std::int64_t tiled_bytes(Format format, std::int64_t rows, std::int64_t columns);

}  // namespace instructblip::nn
