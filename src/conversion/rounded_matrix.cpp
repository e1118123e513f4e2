#include "conversion/rounded_matrix.h"

#include <cmath>
#include <cstdint>

#include "kernels/stored_rows.h"
#include "nn/tensor_values.h"

namespace instructblip {
namespace {

constexpr std::int64_t kRowsAtATime = 64;

// Sums of squares over one row.
struct Squares {
  double differences = 0, values = 0;

  // NaN where a number is NaN or infinite.
  double error() const { return values == 0 ? 0 : std::sqrt(differences / values); }
};

Squares compared(const float* values, const std::vector<float>& rounded) {
  Squares squares;
  for (std::size_t k = 0; k < rounded.size(); ++k) {
    const double value = values[k], difference = value - static_cast<double>(rounded[k]);
    squares.differences += difference * difference;
    squares.values += value * value;
  }
  return squares;
}

}  // namespace

RoundedMatrix::RoundedMatrix(const nn::Runtime& runtime, const TensorEntry& entry,
                             const std::shared_ptr<const TensorStore>& store, nn::Format format)
    : format_(format) {
  const at::Tensor values = nn::values_of(entry, store, at::kFloat).contiguous();
  error.rows = values.size(0);
  error.columns = values.size(1);
  error.precision = format == nn::Format::w8 ? "q8" : "q4";
  const nn::PackedMatrix packed(runtime, format, {values});
  const kernels::StoredSizes sizes = kernels::stored_sizes(format, error.columns);
  elements.resize(static_cast<std::size_t>(error.rows) * sizes.elements);
  scales.resize(static_cast<std::size_t>(error.rows) * sizes.scales);
  runtime.queue().run(error.rows, kRowsAtATime, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const auto at = static_cast<std::size_t>(row);
      kernels::store_row(
          format, packed.panel_of(row), row % kernels::kRowsOfPanel, error.columns,
          {elements.data() + at * sizes.elements, scales.data() + at * sizes.scales});
    }
  });
  compare(runtime, values);
}

void RoundedMatrix::compare(const nn::Runtime& runtime, const at::Tensor& values) {
  const kernels::StoredSizes sizes = kernels::stored_sizes(format_, error.columns);
  const auto* const from = values.const_data_ptr<float>();
  std::vector<Squares> rows(static_cast<std::size_t>(error.rows));
  runtime.queue().run(error.rows, kRowsAtATime, [&](std::int64_t first, std::int64_t last) {
    std::vector<float> rounded(static_cast<std::size_t>(error.columns));
    for (std::int64_t row = first; row < last; ++row) {
      const auto at = static_cast<std::size_t>(row);
      kernels::unpack_stored(
          format_, {elements.data() + at * sizes.elements, scales.data() + at * sizes.scales},
          error.columns, rounded.data());
      rows[at] = compared(from + row * error.columns, rounded);
    }
  });
  Squares all;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    all.differences += rows[row].differences;
    all.values += rows[row].values;
    if (rows[row].error() <= error.worst_error) continue;
    error.worst_error = rows[row].error();
    error.worst_row = static_cast<std::int64_t>(row);
  }
  error.error = all.error();
}

}  // namespace instructblip
