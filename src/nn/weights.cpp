#include "nn/weights.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/max.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "core/errors.h"

namespace instructblip::nn {
namespace {

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

at::ScalarType scalar_type(HeldAs held_as) {
  switch (held_as) {
    case HeldAs::f16:
      return at::kHalf;
    case HeldAs::bf16:
      return at::kBFloat16;
    case HeldAs::f32:
      break;
  }
  return at::kFloat;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// Buffers that older writers stored and that are computed here.
bool is_known_buffer(std::string_view name) {
  return ends_with(name, ".position_ids") || ends_with(name, ".rotary_emb.inv_freq");
}

}  // namespace

struct WeightLoader::Impl {
  std::shared_ptr<const TensorStore> store;
  HeldAs held_as;
  LoadProgress progress;
  std::set<std::string, std::less<>> known;
  std::vector<std::string> missing, misshapen, untyped;
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;
  std::int64_t bytes_read = 0;
};

Weights Weights::operator/(std::string_view name) const {
  return Weights(*loader_, path_ + std::string(name) + ".");
}

at::Tensor Weights::matrix(std::string_view name, const Shape& expected) const {
  return loader_->get(path_ + std::string(name), expected, loader_->impl_->held_as);
}

at::Tensor Weights::vector(std::string_view name, const Shape& expected) const {
  return loader_->get(path_ + std::string(name), expected, HeldAs::f32);
}

bool Weights::has(std::string_view name) const {
  return loader_->impl_->store->find(path_ + std::string(name)) != nullptr;
}

void Weights::ignore(std::string_view name) const {
  loader_->impl_->known.insert(path_ + std::string(name));
}

WeightLoader::WeightLoader(std::shared_ptr<const TensorStore> store, HeldAs held_as,
                           LoadProgress progress)
    : impl_(std::make_unique<Impl>()) {
  impl_->store = std::move(store);
  impl_->held_as = held_as;
  impl_->progress = std::move(progress);
}

WeightLoader::~WeightLoader() = default;

std::int64_t WeightLoader::parameters() const { return impl_->parameters; }
std::int64_t WeightLoader::bytes() const { return impl_->bytes; }

at::Tensor WeightLoader::get(const std::string& path, const Shape& expected, HeldAs held_as) {
  Impl& impl = *impl_;
  impl.known.insert(path);
  const auto without_data = [&] {
    return at::empty(expected, at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
  };
  const TensorEntry* entry = impl.store->find(path);
  if (entry == nullptr) {
    impl.missing.push_back(path + " " + to_string(expected) + " is missing");
    return without_data();
  }
  if (entry->shape != expected) {
    impl.misshapen.push_back(printable(entry->file) + ": " + path + " has shape " +
                             to_string(entry->shape) + ", expected " + to_string(expected));
    return without_data();
  }
  if (!is_weight_dtype(entry->dtype)) {
    impl.untyped.push_back(printable(entry->file) + ": " + path + " has type " +
                           std::string(name_of(entry->dtype)) + ", expected F32, F16, BF16 or F64");
    return without_data();
  }

  const at::ScalarType stored = scalar_type(entry->dtype);
  const at::ScalarType wanted = scalar_type(held_as);
  void* data = const_cast<std::byte*>(entry->bytes.data());
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % size_of(entry->dtype) == 0;
  at::Tensor mapped;
  if (aligned) {
    mapped = at::from_blob(
        data, expected, [owner = impl.store](void*) {}, at::dtype(stored));
  } else {
    // Possible where a writer did not pad its header to eight bytes.
    mapped = at::empty(expected, at::dtype(stored));
    std::memcpy(mapped.data_ptr(), data, entry->bytes.size());
  }
  at::Tensor tensor = mapped;
  if (stored != wanted) {
    if (wanted == at::kHalf && mapped.numel() > 0 &&
        at::abs(mapped).max().item<double>() > 65504.0) {
      throw Error(
          ErrorCode::unsupported,
          printable(entry->file) + ": " + path + " holds values beyond 65504, the range of f16",
          "hold the weights as bf16 or f32");
    }
    tensor = mapped.to(wanted);
  }
  if (tensor.data_ptr() != data) impl.store->release(*entry);

  impl.parameters += tensor.numel();
  impl.bytes += static_cast<std::int64_t>(tensor.nbytes());
  impl.bytes_read += static_cast<std::int64_t>(entry->bytes.size());
  if (impl.progress) impl.progress(impl.bytes_read, impl.store->bytes());
  return tensor;
}

void WeightLoader::finish() const {
  const Impl& impl = *impl_;
  Findings findings;
  // Misshapen ones first: they say most about which checkpoint this is.
  for (const auto* group : {&impl.misshapen, &impl.missing, &impl.untyped}) {
    for (const std::string& finding : *group) findings.add(finding);
  }
  std::size_t unread = 0;
  for (const TensorEntry& entry : impl.store->entries()) {
    if (impl.known.contains(entry.name) || is_known_buffer(entry.name)) continue;
    ++unread;
    findings.add(printable(entry.file) + ": " + printable(entry.name) + " " +
                 to_string(entry.shape) + " belongs to no part of this model");
  }
  if (findings.empty()) return;

  std::string hint = "the weights and config.json are not of the same model";
  if (impl.misshapen.empty() && impl.missing.empty() && unread > 0) {
    hint = "are files of another checkpoint in this directory?";
  } else if (impl.misshapen.empty() && unread == 0) {
    hint = "is a shard missing from the directory?";
  }
  findings.throw_if_any(ErrorCode::bad_model,
                        std::to_string(findings.size()) + " tensors do not fit config.json", hint);
}

}  // namespace instructblip::nn
