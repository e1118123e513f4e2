#include "nn/device_qformer.h"

#include <algorithm>
#include <cstddef>

#include "nn/device_rows.h"

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

// As the kernel reads what has as many elements as a row: in pieces of 16 bytes.
const void* aligned(const at::Tensor& x, at::ScalarType rows) {
  constexpr std::uintptr_t kPiece = 16;
  const bool fits = x.defined() && x.is_contiguous() && x.scalar_type() == rows &&
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

bool put_down(const std::optional<ProductWith>& product, at::ScalarType rows,
              cuda::LinearWeights& to) {
  if (!product) return false;
  to = {aligned(product->weight, rows), aligned(product->bias, rows)};
  return to.weight != nullptr && to.bias != nullptr;
}

bool put_down(const Norm& norm, at::ScalarType rows, cuda::NormWeights& to) {
  to = {aligned(norm.weights().weight, rows), aligned(norm.weights().bias, rows)};
  return norm.weights().centred && to.weight != nullptr && to.bias != nullptr;
}

bool DeviceQFormerHalf::describe(const std::optional<ProductWith>& expands,
                                 const std::optional<ProductWith>& contracts, const Norm& behind,
                                 at::ScalarType rows) {
  norm = &behind;
  if (!put_down(expands, rows, expand) || !put_down(contracts, rows, contract)) return false;
  activation = *expands->activation;
  inner = expands->weight.size(0);
  return true;
}

std::optional<DeviceQFormer> DeviceQFormer::of(
    const Runtime& runtime, std::span<const std::optional<DeviceQFormerLayer>> layers,
    const Shape& shape) {
  const at::ScalarType rows = runtime.row_type();
  const auto element = element_of(rows);
  if (!element) return std::nullopt;
  DeviceQFormer made;
  made.runtime_ = &runtime;
  const double eps = shape.before->weights().eps;
  cuda::QFormerLayerProblem problem{.element = *element,
                                    .pictures = narrow(std::ssize(shape.parts)),
                                    .queries = narrow(shape.queries),
                                    .heads = narrow(shape.heads),
                                    .width = narrow(shape.head_width),
                                    .eps = static_cast<float>(eps),
                                    .processors = runtime.machine().cuda_processors};
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
    if (!layer || query_norm->weights().eps != eps) return std::nullopt;
    cuda::QFormerLayerWeights weights = layer->weights;
    if (!put_down(*query_norm, rows, weights.query_input)) return std::nullopt;
    if (problem.text > 0 && !put_down(*text_norm, rows, weights.text_input)) return std::nullopt;
    query_norm = layer->queries.norm;
    text_norm = layer->text.norm;
    weights.query_expand = layer->queries.expand;
    weights.query_contract = layer->queries.contract;
    weights.text_expand = layer->text.expand;
    weights.text_contract = layer->text.contract;
    const auto activation = kernel_name_of(layer->queries.activation);
    if (!activation) return std::nullopt;
    problem.activation = *activation;
    problem.inner = narrow(layer->queries.inner);
    problem.looks = layer->looks_by != nullptr;
    const auto* const kernel = runtime.device_kernel(runtime.tables().cuda.qformer_layer, problem);
    if (kernel == nullptr) return std::nullopt;
    made.launches_.push_back({kernel, problem, weights, layer->looks_by});
  }
  made.last_norm_ = query_norm;
  return made;
}

at::Tensor DeviceQFormer::run(const at::Tensor& queries, const at::Tensor& text,
                              const at::Tensor& visual) const {
  const Runtime& runtime = *runtime_;
  const std::int64_t pictures = visual.size(0), each = queries.size(0) / pictures;
  const at::Tensor query_rows = runtime.known_ids(query_rows_),
                   text_rows = runtime.known_ids(text_rows_), offsets = runtime.known_ids(offsets_),
                   query_offsets = runtime.known_ids(offsets_of(pictures, each)),
                   image_offsets = runtime.known_ids(offsets_of(pictures, visual.size(1)));
  std::size_t bytes = 0;
  for (const Launch& launch : launches_) {
    bytes = std::max(bytes, runtime.tables().cuda.qformer_layer_workspace(launch.problem));
  }
  const at::Tensor workspace = runtime.empty({static_cast<std::int64_t>(bytes)}, at::kByte);
  for (const Launch& launch : launches_) {
    Heads seen;
    cuda::QFormerLayer::Buffers buffers{};
    buffers.weights = launch.weights;
    buffers.queries = queries.mutable_data_ptr();
    buffers.text = text.defined() ? text.mutable_data_ptr() : nullptr;
    buffers.query_rows = ids(query_rows);
    buffers.text_rows = ids(text_rows);
    buffers.offsets = ids(offsets);
    buffers.query_offsets = ids(query_offsets);
    buffers.image_offsets = ids(image_offsets);
    buffers.workspace = workspace.mutable_data_ptr();
    if (launch.looks_by != nullptr) {
      seen = launch.looks_by->memory_of(visual.flatten(0, 1));  // [B P, H, d]
      buffers.image_keys = seen.keys.const_data_ptr();
      buffers.image_values = seen.values.const_data_ptr();
      buffers.image_pitch = seen.keys.stride(0);
    }
    launch.kernel->run(launch.problem, buffers, runtime.stream());
  }
  return (*last_norm_)(queries).view({pictures, each, queries.size(1)});
}

}  // namespace instructblip::nn
