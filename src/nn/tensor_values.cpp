#include "nn/tensor_values.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/all.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "checkpoint/tensor_recipe.h"
#include "core/errors.h"
#include "nn/runtime.h"

namespace instructblip::nn {
namespace {

using Store = std::shared_ptr<const TensorStore>;

constexpr double kLargestHalf = 65504.0;

// Bytes of the file that are converted at a time: then even where one table is a large part of the
// checkpoint, loading takes little more memory than the result.
constexpr std::size_t kPieceBytes = 8 << 20;

bool is_aligned(const TensorEntry& entry) {
  return reinterpret_cast<std::uintptr_t>(entry.bytes.data()) % size_of(entry.dtype) == 0;
}

void check_range_of_f16(const TensorEntry& entry, const at::Tensor& values) {
  // Not by absolute values: a piece of them would be left between the weights on the heap.
  const auto [least, greatest] = at::aminmax(values);
  const bool beyond =
      least.item<double>() < -kLargestHalf || greatest.item<double>() > kLargestHalf;
  if (!beyond) return;
  throw Error(
      ErrorCode::unsupported,
      printable(entry.file) + ": " + entry.name + " holds values beyond 65504, the range of f16",
      "hold the weights as bf16 or f32");
}

// Products of stored elements and their scales.
at::Tensor unpacked(const TensorEntry& entry, const Store& store, at::ScalarType wanted) {
  const StoredMatrix matrix = stored_matrix(entry);
  const at::Tensor values = at::empty(entry.shape, host(at::kFloat));
  auto* const to = values.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < matrix.rows; ++row) {
    kernels::unpack_stored(matrix.format, matrix.row(row), matrix.columns,
                           to + row * matrix.columns);
  }
  store->release(entry);
  if (wanted == at::kHalf) check_range_of_f16(entry, values);
  return values.to(wanted);
}

at::Tensor copied(const TensorEntry& entry, const Store& store, at::ScalarType wanted,
                  const at::Tensor& room = {}) {
  if (entry.scales) return unpacked(entry, store, wanted);
  const at::Tensor result = room.defined() ? room : at::empty(entry.shape, host(wanted));
  const at::ScalarType stored = scalar_type(entry.dtype);
  TensorEntry piece = entry;
  std::int64_t done = 0;  // elements
  for (std::size_t begin = 0; begin < entry.bytes.size(); begin += kPieceBytes) {
    piece.bytes = entry.bytes.subspan(begin, std::min(kPieceBytes, entry.bytes.size() - begin));
    piece.shape = {static_cast<std::int64_t>(piece.bytes.size() / size_of(entry.dtype))};
    at::Tensor values;
    if (is_aligned(piece)) {
      values = lent(piece, store);
    } else {
      values = at::empty(piece.shape, host(stored));
      std::memcpy(values.data_ptr(), piece.bytes.data(), piece.bytes.size());
    }
    if (wanted == at::kHalf && stored != at::kHalf) check_range_of_f16(entry, values);
    result.view({-1}).narrow(0, done, values.numel()).copy_(values);
    done += values.numel();
    store->release(piece);
  }
  store->release(entry);  // the pages on which two pieces meet
  return result;
}

// With the rows that it lacks: the mean row, rounded to what is stored.
at::Tensor with_all_rows(const TensorEntry& entry, const TensorEntry& base, const Store& store) {
  at::Tensor values = copied(base, store, at::kFloat);
  const std::int64_t present = base.shape.empty() ? 0 : base.shape[0];
  if (base.shape == entry.shape) return values;
  const at::Tensor result = at::empty(entry.shape, host(at::kFloat));
  const at::Tensor mean = values.mean({0}, false, at::kDouble).to(scalar_type(base.dtype));
  result.narrow(0, 0, present).copy_(values);
  result.narrow(0, present, entry.shape[0] - present).copy_(mean);
  return result;
}

// As peft's merge(), operation by operation, in the memory of `weight`; `unchanged` is what no
// adapter has touched.
at::Tensor changed(at::Tensor weight, const at::Tensor& unchanged, const LowRankChange& change,
                   const Store& store) {
  const at::Tensor a = copied(change.a, store, at::kFloat).flatten(1);
  const at::Tensor b = copied(change.b, store, at::kFloat).flatten(1);
  const auto turned = [&](const at::Tensor& x) { return change.transposed ? x.t() : x; };
  const at::Tensor delta = turned(at::mm(b, a).mul_(change.scale)).reshape(weight.sizes());
  if (!change.magnitude) return weight.add_(delta);
  const at::Tensor directions = turned(unchanged) + turned(delta);
  const at::Tensor norms = at::linalg_vector_norm(directions, 2, at::IntArrayRef{1});
  const at::Tensor factors = copied(*change.magnitude, store, at::kFloat).flatten() / norms;
  return weight.add_(delta).mul_(turned(factors.view({-1, 1})));
}

at::Tensor made(const TensorEntry& entry, const Store& store) {
  const TensorRecipe& recipe = *entry.recipe;
  const at::Tensor unchanged = with_all_rows(entry, recipe.base, store);
  const bool compared = std::ranges::any_of(
      recipe.changes, [](const LowRankChange& change) { return change.magnitude.has_value(); });
  at::Tensor weight = compared ? unchanged.clone() : unchanged;
  for (const LowRankChange& change : recipe.changes) {
    weight = changed(weight, unchanged, change, store);
  }
  if (recipe.changes.empty() || weight.numel() == 0) return weight;
  const auto [least, greatest] = at::aminmax(weight);  // NaN where there is one
  if (std::isfinite(least.item<double>()) && std::isfinite(greatest.item<double>())) return weight;
  throw Error(ErrorCode::bad_model,
              printable(entry.file) + ": " + entry.name + " is not finite with the adapter merged",
              "the adapter is damaged, or of another model");
}

}  // namespace

at::ScalarType scalar_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return at::kDouble;
    case DType::f16:
      return at::kHalf;
    case DType::bf16:
      return at::kBFloat16;
    default:
      return at::kFloat;
  }
}

bool is_finite(const at::Tensor& x) { return at::isfinite(x).all().item<bool>(); }

bool is_lendable(const TensorEntry& entry) {
  return !entry.recipe && !entry.scales && is_aligned(entry);
}

StoredMatrix stored_matrix(const TensorEntry& entry) {
  const Format format = entry.scales->bits == 8 ? Format::w8 : Format::w4;
  const std::span<const std::byte> scales = entry.scales->bytes;
  const std::int64_t bad = kernels::first_bad_scale(format, scales);
  if (bad >= 0) {
    throw Error(ErrorCode::bad_model,
                printable(entry.file) + ": " + printable(entry.name) + ": scale number " +
                    std::to_string(bad) + " is none that quantisation leaves: damaged",
                "copy the directory once more, or quantise its checkpoint again");
  }
  return {format, entry.shape[0], entry.shape[1], entry.bytes.data(), scales.data()};
}

TensorEntry some_rows(const TensorEntry& entry, std::int64_t first, std::int64_t count) {
  TensorEntry rows = entry;
  const std::size_t row_bytes = static_cast<std::size_t>(entry.shape[1]) * size_of(entry.dtype);
  rows.shape[0] = count;
  rows.bytes = entry.bytes.subspan(static_cast<std::size_t>(first) * row_bytes,
                                   static_cast<std::size_t>(count) * row_bytes);
  return rows;
}

at::Tensor lent(const TensorEntry& entry, Store store) {
  return at::from_blob(
      const_cast<std::byte*>(entry.bytes.data()), entry.shape, [owner = std::move(store)](void*) {},
      host(scalar_type(entry.dtype)));
}

at::Tensor values_of(const TensorEntry& entry, const Store& store, at::ScalarType wanted,
                     const at::Tensor& room) {
  if (!entry.recipe) return copied(entry, store, wanted, room);
  const at::Tensor values = made(entry, store);
  if (wanted == at::kHalf) check_range_of_f16(entry, values);
  return values.to(wanted);
}

}  // namespace instructblip::nn
