// A weight matrix that was packed for products when it was loaded.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/pages.h"
#include "kernels/panels.h"
#include "kernels/stored_rows.h"
#include "nn/runtime.h"

namespace instructblip::nn {

using kernels::Format;

// Bytes of a matrix once it is packed.
std::int64_t packed_bytes(Format format, std::int64_t rows, std::int64_t columns);

// The type of the values that a matrix of this format is packed from: float32, or the format's own
// 16 bits.
at::ScalarType packed_from(Format format);

// A matrix [rows, columns] of 8 or 4 bits where it lies in a file.
struct StoredMatrix {
  Format format;
  std::int64_t rows, columns;
  const std::byte* elements;
  const std::byte* scales;

  kernels::StoredRow row(std::int64_t index) const;
};

// Rows that are packed a piece at a time, so that no second copy of a matrix is held.
struct RowSource {
  std::int64_t rows;
  std::int64_t row_bytes;  // bytes that a row takes until it is packed
  // The values of some of them, [count, columns] of packed_from(format); valid until `release`.
  std::function<at::Tensor(std::int64_t first, std::int64_t count)> read;
  // Told of rows that are packed; may be null.
  std::function<void(std::int64_t first, std::int64_t count)> release = {};
};

// Panels of one matrix, see kernels/panels.h. Immutable.
class PackedMatrix {
 public:
  // Packs the rows of `blocks`, one behind the other, on all threads of the runtime. What `read`
  // throws is thrown.
  PackedMatrix(const Runtime& runtime, Format format, std::int64_t columns,
               const std::vector<RowSource>& blocks);

  // The same of blocks [rows of each, columns] of packed_from(format).
  PackedMatrix(const Runtime& runtime, Format format, const std::vector<at::Tensor>& blocks);

  // The same of what is stored in its format already, which is not rounded again.
  PackedMatrix(const Runtime& runtime, const std::vector<StoredMatrix>& blocks);

  Format format() const { return format_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  // The panel that has this row.
  const std::byte* panel_of(std::int64_t row) const;
  // A row as float32, [columns].
  void read_row(std::int64_t row, float* out) const;

 private:
  void pack(const Runtime& runtime, const at::Tensor& piece, std::int64_t first_row);

  Format format_;
  std::int64_t rows_, columns_;
  Pages panels_;
};

}  // namespace instructblip::nn
