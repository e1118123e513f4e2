#include "nn/weights.h"

#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstddef>
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

// Buffers that older writers stored and that are computed here.
bool is_known_buffer(std::string_view name) {
  return name.ends_with(".position_ids") || name.ends_with(".rotary_emb.inv_freq");
}

constexpr double kLargestHalf = 65504.0;

// Bytes of the file that are converted at a time: then even where one table is a large part of the
// checkpoint, loading takes little more memory than the result.
constexpr std::size_t kPieceBytes = 8 << 20;

// Not so where a writer did not pad its header to eight bytes.
bool is_aligned(const TensorEntry& entry) {
  return reinterpret_cast<std::uintptr_t>(entry.bytes.data()) % size_of(entry.dtype) == 0;
}

// The values of `entry` where they lie in the map, which stays open as long as the tensor lives.
at::Tensor lent(const TensorEntry& entry, std::shared_ptr<const TensorStore> store) {
  return at::from_blob(
      const_cast<std::byte*>(entry.bytes.data()), entry.shape, [owner = std::move(store)](void*) {},
      at::dtype(scalar_type(entry.dtype)));
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

// The values of `entry` in memory of their own. The file's pages are given back as it goes.
at::Tensor copied(const TensorEntry& entry, const std::shared_ptr<const TensorStore>& store,
                  at::ScalarType wanted) {
  const at::Tensor result = at::empty(entry.shape, at::dtype(wanted));
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
      values = at::empty(piece.shape, at::dtype(stored));
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

}  // namespace

struct WeightLoader::Impl {
  std::shared_ptr<const TensorStore> store;
  HeldAs held_as;
  Values values;
  LoadProgress progress;
  std::set<std::string, std::less<>> known;
  std::vector<std::string> missing, misshapen, untyped;
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;
  std::int64_t bytes_read = 0;

  void count(const at::Tensor& tensor) {
    parameters += tensor.numel();
    bytes += static_cast<std::int64_t>(tensor.nbytes());
  }
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

WeightLoader::WeightLoader(std::shared_ptr<const TensorStore> store, HeldAs held_as, Values values,
                           LoadProgress progress)
    : impl_(std::make_unique<Impl>()) {
  impl_->store = std::move(store);
  impl_->held_as = held_as;
  impl_->values = values;
  impl_->progress = std::move(progress);
}

WeightLoader::~WeightLoader() = default;

std::int64_t WeightLoader::parameters() const { return impl_->parameters; }
std::int64_t WeightLoader::bytes() const { return impl_->bytes; }

const TensorEntry* WeightLoader::accounted(const std::string& path, const Shape& expected) {
  Impl& impl = *impl_;
  impl.known.insert(path);
  const TensorEntry* entry = impl.store->find(path);
  if (entry == nullptr) {
    impl.missing.push_back(path + " " + to_string(expected) + " is missing");
  } else if (entry->shape != expected) {
    impl.misshapen.push_back(printable(entry->file) + ": " + path + " has shape " +
                             to_string(entry->shape) + ", expected " + to_string(expected));
  } else if (!is_weight_dtype(entry->dtype)) {
    impl.untyped.push_back(printable(entry->file) + ": " + path + " has type " +
                           std::string(name_of(entry->dtype)) + ", expected F32, F16, BF16 or F64");
  } else {
    return entry;
  }
  return nullptr;
}

at::Tensor WeightLoader::get(const std::string& path, const Shape& expected, HeldAs held_as) {
  Impl& impl = *impl_;
  const at::ScalarType wanted = scalar_type(held_as);
  const TensorEntry* entry = accounted(path, expected);
  if (entry == nullptr || impl.values == Values::leave) {
    const at::Tensor empty =
        at::empty(expected, at::TensorOptions().dtype(wanted).device(at::kMeta));
    if (entry != nullptr) impl.count(empty);
    return empty;
  }

  const bool fits = scalar_type(entry->dtype) == wanted && is_aligned(*entry);
  const at::Tensor tensor = fits ? lent(*entry, impl.store) : copied(*entry, impl.store, wanted);
  impl.count(tensor);
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
