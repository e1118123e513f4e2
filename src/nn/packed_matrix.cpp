#include "nn/packed_matrix.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <span>
#include <utility>

namespace instructblip::nn {
namespace {

std::int64_t rows_of(const std::vector<StoredMatrix>& blocks) {
  std::int64_t rows = 0;
  for (const StoredMatrix& block : blocks) rows += block.rows;
  return rows;
}

std::int64_t rows_of(const std::vector<RowSource>& blocks) {
  std::int64_t rows = 0;
  for (const RowSource& block : blocks) rows += block.rows;
  return rows;
}

std::vector<RowSource> sources_of(const std::vector<at::Tensor>& blocks) {
  std::vector<RowSource> sources;
  sources.reserve(blocks.size());
  for (const at::Tensor& block : blocks) {
    sources.push_back({block.size(0), block.size(1) * block.element_size(),
                       [block](std::int64_t first, std::int64_t count) {
                         return block.narrow(0, first, count);
                       }});
  }
  return sources;
}

// What a thread is given of a piece: long enough to be worth the waiting for each other behind it.
constexpr std::int64_t kPieceBytesOfThread = 2 << 20;
constexpr std::int64_t kFewestThreads = 4;

// Rows of a piece, whole panels.
std::int64_t rows_of_piece(const std::vector<RowSource>& blocks) {
  std::int64_t row_bytes = 1;
  for (const RowSource& block : blocks) row_bytes = std::max(row_bytes, block.row_bytes);
  const std::int64_t threads = std::max<std::int64_t>(kFewestThreads, at::get_num_threads());
  const std::int64_t panel_bytes = row_bytes * kernels::kRowsOfPanel;
  return std::max<std::int64_t>(1, threads * kPieceBytesOfThread / panel_bytes) *
         kernels::kRowsOfPanel;
}

// Rows of the piece that begins at `first`: a whole one, or what is left of a block, where another
// panel begins behind it; pieces of one block need not be put together.
std::int64_t rows_from(const std::vector<RowSource>& blocks, std::int64_t first,
                       std::int64_t whole) {
  std::int64_t end = 0;
  for (const RowSource& block : blocks) {
    end += block.rows;
    if (end > first && end % kernels::kRowsOfPanel == 0) return std::min(whole, end - first);
  }
  return std::min(whole, end - first);
}

// Calls `use` with each block that has some of the rows first .. first + count - 1 of all, and
// which of its own they are.
template <class Use>
void for_blocks(const std::vector<RowSource>& blocks, std::int64_t first, std::int64_t count,
                const Use& use) {
  for (const RowSource& block : blocks) {
    const std::int64_t begin = std::clamp<std::int64_t>(first, 0, block.rows);
    const std::int64_t end = std::clamp<std::int64_t>(first + count, 0, block.rows);
    if (begin < end) use(block, begin, end - begin);
    first -= block.rows;
  }
}

}  // namespace

std::int64_t packed_bytes(Format format, std::int64_t rows, std::int64_t columns) {
  return kernels::panels_of(rows) *
         static_cast<std::int64_t>(kernels::bytes_of_panel(format, columns));
}

at::ScalarType packed_from(Format format) {
  switch (format) {
    case Format::f16:
      return at::kHalf;
    case Format::bf16:
      return at::kBFloat16;
    case Format::f32:
    case Format::w8:
    case Format::w4:
      break;
  }
  return at::kFloat;
}

PackedMatrix::PackedMatrix(const Runtime& runtime, Format format, std::int64_t columns,
                           const std::vector<RowSource>& blocks)
    : format_(format),
      rows_(rows_of(blocks)),
      columns_(columns),
      panels_(static_cast<std::size_t>(packed_bytes(format, rows_, columns_)), PageSize::huge) {
  const std::int64_t length = rows_of_piece(blocks);
  for (std::int64_t first = 0, count = 0; first < rows_; first += count) {
    count = rows_from(blocks, first, length);
    std::vector<at::Tensor> parts;
    for_blocks(blocks, first, count,
               [&](const RowSource& block, std::int64_t from, std::int64_t n) {
                 parts.push_back(block.read(from, n));
               });
    pack(runtime, (parts.size() == 1 ? parts.front() : at::cat(parts)).contiguous(), first);
    parts.clear();
    for_blocks(blocks, first, count,
               [&](const RowSource& block, std::int64_t from, std::int64_t n) {
                 if (block.release) block.release(from, n);
               });
  }
}

PackedMatrix::PackedMatrix(const Runtime& runtime, Format format,
                           const std::vector<at::Tensor>& blocks)
    : PackedMatrix(runtime, format, blocks.front().size(1), sources_of(blocks)) {}

void PackedMatrix::pack(const Runtime& runtime, const at::Tensor& piece, std::int64_t first_row) {
  const auto* from = static_cast<const std::byte*>(piece.const_data_ptr());
  const auto row_bytes = static_cast<std::int64_t>(piece.element_size()) * columns_;
  const std::int64_t rows = piece.size(0);
  std::byte* const to = const_cast<std::byte*>(panel_of(first_row));
  const auto panel_bytes = static_cast<std::int64_t>(kernels::bytes_of_panel(format_, columns_));
  runtime.queue().run(kernels::panels_of(rows), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t panel = first; panel < last; ++panel) {
      const std::int64_t row = panel * kernels::kRowsOfPanel;
      kernels::pack_panel(
          format_, {from + row * row_bytes, std::min(kernels::kRowsOfPanel, rows - row), columns_},
          to + panel * panel_bytes);
    }
  });
}

kernels::StoredRow StoredMatrix::row(std::int64_t index) const {
  const kernels::StoredSizes sizes = kernels::stored_sizes(format, columns);
  const auto at = static_cast<std::size_t>(index);
  return {elements + at * sizes.elements, scales + at * sizes.scales};
}

PackedMatrix::PackedMatrix(const Runtime& runtime, const std::vector<StoredMatrix>& blocks)
    : format_(blocks.front().format),
      rows_(rows_of(blocks)),
      columns_(blocks.front().columns),
      panels_(static_cast<std::size_t>(packed_bytes(format_, rows_, columns_)), PageSize::huge) {
  std::vector<kernels::StoredRow> rows;  // a panel may have rows of several blocks
  rows.reserve(static_cast<std::size_t>(rows_));
  for (const StoredMatrix& block : blocks) {
    for (std::int64_t row = 0; row < block.rows; ++row) rows.push_back(block.row(row));
  }
  const auto panel_bytes = static_cast<std::int64_t>(kernels::bytes_of_panel(format_, columns_));
  std::byte* const to = panels_.bytes().data();
  runtime.queue().run(kernels::panels_of(rows_), 4, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t panel = first; panel < last; ++panel) {
      const std::int64_t row = panel * kernels::kRowsOfPanel;
      const auto count = static_cast<std::size_t>(std::min(kernels::kRowsOfPanel, rows_ - row));
      kernels::pack_stored(format_, std::span(rows).subspan(static_cast<std::size_t>(row), count),
                           columns_, to + panel * panel_bytes);
    }
  });
}

const std::byte* PackedMatrix::panel_of(std::int64_t row) const {
  return panels_.bytes().data() + static_cast<std::size_t>(row / kernels::kRowsOfPanel) *
                                      kernels::bytes_of_panel(format_, columns_);
}

void PackedMatrix::read_row(std::int64_t row, float* out) const {
  kernels::unpack_row(format_, panel_of(row), row % kernels::kRowsOfPanel, columns_, out);
}

}  // namespace instructblip::nn
