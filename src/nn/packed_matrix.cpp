#include "nn/packed_matrix.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <span>

namespace instructblip::nn {
namespace {

std::int64_t rows_of(const std::vector<StoredMatrix>& blocks) {
  std::int64_t rows = 0;
  for (const StoredMatrix& block : blocks) rows += block.rows;
  return rows;
}

std::int64_t rows_of(const std::vector<at::Tensor>& blocks) {
  std::int64_t rows = 0;
  for (const at::Tensor& block : blocks) rows += block.size(0);
  return rows;
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

PackedMatrix::PackedMatrix(const Runtime& runtime, Format format, std::vector<at::Tensor> blocks)
    : format_(format),
      rows_(rows_of(blocks)),
      columns_(blocks.front().size(1)),
      panels_(static_cast<std::size_t>(packed_bytes(format, rows_, columns_)), PageSize::huge) {
  // A panel has rows of one block; where blocks end within one, they are copied together.
  const bool whole = std::all_of(blocks.begin(), blocks.end() - 1, [](const at::Tensor& block) {
    return block.size(0) % kernels::kRowsOfPanel == 0;
  });
  if (!whole) blocks = {at::cat(blocks)};
  std::int64_t first = 0;
  for (const at::Tensor& block : blocks) {
    pack(runtime, block.contiguous(), first);
    first += block.size(0);
  }
}

void PackedMatrix::pack(const Runtime& runtime, const at::Tensor& block, std::int64_t first_row) {
  const auto* from = static_cast<const std::byte*>(block.const_data_ptr());
  const auto row_bytes = static_cast<std::int64_t>(block.element_size()) * columns_;
  const std::int64_t rows = block.size(0);
  std::byte* const to = const_cast<std::byte*>(panel_of(first_row));
  const auto panel_bytes = static_cast<std::int64_t>(kernels::bytes_of_panel(format_, columns_));
  runtime.queue().run(kernels::panels_of(rows), 4, [&](std::int64_t first, std::int64_t last) {
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
