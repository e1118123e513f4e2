#include "nn/device_qformer.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "nn/device_rows.h"

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

// As the kernel reads what has as many elements as a row: in pieces of 16 bytes.
const void* aligned(const at::Tensor& x) {
  constexpr std::uintptr_t kPiece = 16;
  const bool fits = x.defined() && x.is_contiguous() && element_of(x.scalar_type()) &&
                    reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % kPiece == 0;
  return fits ? x.const_data_ptr() : nullptr;
}

std::int32_t narrow(std::int64_t count) { return static_cast<std::int32_t>(count); }

const std::int32_t* ids(const at::Tensor& x) { return x.const_data_ptr<std::int32_t>(); }

// Where each of `count` runs of `length` begins, and the last one ends.
std::vector<std::int32_t> offsets_of(std::int64_t count, std::int64_t length) {
  std::vector<std::int32_t> offsets;
  for (std::int64_t i = 0; i <= count; ++i) offsets.push_back(narrow(i * length));
  return offsets;
}

}  // namespace

bool put_down(const std::optional<ProductWith>& product, DeviceLinear& to) {
  if (!product) return false;
  to = {aligned(product->weight), aligned(product->bias)};
  return to.weight != nullptr && to.bias != nullptr;
}

bool put_down(const Norm& norm, DeviceNorm& to) {
  to = {aligned(norm.weights().weight), aligned(norm.weights().bias)};
  return to.weight != nullptr && to.bias != nullptr;
}

std::optional<DeviceLayers> DeviceLayers::of(const Runtime& runtime,
                                             std::vector<std::optional<DeviceLayer>> layers,
                                             const Shape& shape) {
  const auto element = element_of(runtime.row_type());
  if (!element || !std::ranges::all_of(layers, [](const auto& layer) { return !!layer; })) {
    return std::nullopt;
  }
  DeviceLayers made;
  made.runtime_ = &runtime;
  cuda::QFormerLayerProblem problem{.element = *element,
                                    .pictures = narrow(std::ssize(shape.parts)),
                                    .queries = narrow(shape.queries),
                                    .heads = narrow(shape.heads),
                                    .width = narrow(shape.head_width),
                                    .eps = static_cast<float>(shape.before->weights().eps)};
  made.offsets_.push_back(0);
  for (const Part& part : shape.parts) {
    for (std::int64_t i = 0; i < part.count; ++i) {
      (i < shape.queries ? made.query_rows_ : made.text_rows_).push_back(narrow(part.first + i));
    }
    problem.max_rows = std::max(problem.max_rows, narrow(part.count));
    made.offsets_.push_back(narrow(part.first + part.count));
  }
  problem.text = narrow(std::ssize(made.text_rows_));
  const Norm *query_norm = shape.before, *text_norm = shape.before;
  for (const auto& layer : layers) {
    made.layers_.push_back(*layer);
    cuda::QFormerLayerWeights& weights = made.layers_.back().weights;
    if (!put_down(*query_norm, weights.query_input)) return std::nullopt;
    if (problem.text > 0 && !put_down(*text_norm, weights.text_input)) return std::nullopt;
    query_norm = layer->query_norm;
    text_norm = layer->text_norm;
    const auto activation = kernel_name_of(layer->activation);
    if (!activation) return std::nullopt;
    problem.activation = *activation;
    problem.inner = narrow(layer->inner);
    problem.looks = layer->looks_by != nullptr;
    made.problems_.push_back(problem);
    made.kernel_ = runtime.device_kernel(runtime.tables().cuda.qformer_layer, problem);
    if (made.kernel_ == nullptr) return std::nullopt;
  }
  return made;
}

at::Tensor DeviceLayers::run(const at::Tensor& queries, const at::Tensor& text,
                             const at::Tensor& visual) const {
  const Runtime& runtime = *runtime_;
  const std::int64_t pictures = visual.size(0);
  const at::Tensor query_rows = runtime.known_ids(query_rows_),
                   text_rows = runtime.known_ids(text_rows_), offsets = runtime.known_ids(offsets_),
                   query_offsets =
                       runtime.known_ids(offsets_of(pictures, problems_.front().queries)),
                   image_offsets = runtime.known_ids(offsets_of(pictures, visual.size(1)));
  std::size_t bytes = 0;
  for (const auto& problem : problems_) {
    bytes = std::max(bytes, runtime.tables().cuda.qformer_layer_workspace(problem));
  }
  const at::Tensor workspace = runtime.empty({static_cast<std::int64_t>(bytes)}, at::kByte);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const DeviceLayer& layer = layers_[i];
    Heads pictures_seen;
    cuda::QFormerLayer::Buffers buffers;
    buffers.weights = layer.weights;
    buffers.queries = queries.mutable_data_ptr();
    buffers.text = text.defined() ? text.mutable_data_ptr() : nullptr;
    buffers.query_rows = ids(query_rows);
    buffers.text_rows = ids(text_rows);
    buffers.offsets = ids(offsets);
    buffers.query_offsets = ids(query_offsets);
    buffers.image_offsets = ids(image_offsets);
    buffers.workspace = workspace.mutable_data_ptr();
    if (layer.looks_by != nullptr) {
      pictures_seen = layer.looks_by->memory_of(visual.flatten(0, 1));  // [B P, H, d]
      buffers.image_keys = pictures_seen.keys.const_data_ptr();
      buffers.image_values = pictures_seen.values.const_data_ptr();
      buffers.image_pitch = pictures_seen.keys.stride(0);
    }
    kernel_->run(problems_[i], buffers, runtime.stream());
  }
  return (*layers_.back().query_norm)(queries).view({pictures, -1, queries.size(1)});
}

}  // namespace instructblip::nn
