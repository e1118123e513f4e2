#include "nn/weights.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <ranges>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "checkpoint/tensor_recipe.h"
#include "config/shape_keys.h"
#include "core/errors.h"
#include "core/log.h"
#include "nn/reading_room.h"
#include "nn/tensor_values.h"

namespace instructblip::nn {
namespace {

// Buffers that older writers stored and that are computed here.
bool is_known_buffer(std::string_view name) {
  return name.ends_with(".position_ids") || name.ends_with(".rotary_emb.inv_freq");
}

bool is_quantised(Format format) { return format == Format::w8 || format == Format::w4; }

// Whether the format's own elements and scales are what the checkpoint has.
bool is_stored_as(const TensorEntry& entry, Format format) {
  if (entry.recipe || !entry.scales) return false;
  return format == (entry.scales->bits == 8 ? Format::w8 : Format::w4);
}

auto most_of(const std::map<Format, std::int64_t>& counts) {
  return std::ranges::max_element(counts, {}, [](const auto& counted) { return counted.second; });
}

}  // namespace

struct WeightLoader::Impl {
  const Runtime* runtime;
  std::shared_ptr<const TensorStore> store;
  ReadAs as;
  std::set<std::string, std::less<>> known;
  std::set<std::string, std::less<>> needed;  // all known ones but copies and buffers
  std::vector<std::string> missing, misshapen, untyped;
  std::string misshapen_hint;  // what the first of them may mean
  std::vector<RequestedTensor> requested;
  std::map<Format, std::int64_t> bytes_of;  // matrices by their formats
  std::map<std::string, HeldMatrix, std::less<>> held;
  std::array<Taken, kModules> taken{};
  bool gathered_nowhere = false;  // a misshapen one has no elements
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;
  std::int64_t bytes_read = 0;
  ReadingRoom room = {};

  void count(const at::Tensor& tensor) {
    parameters += tensor.numel();
    bytes += static_cast<std::int64_t>(tensor.nbytes());
  }
};

Weights Weights::operator/(std::string_view name) const {
  return Weights(*loader_, path_ + std::string(name) + ".", module_);
}

Weights Weights::of(Module module) const { return Weights(*loader_, path_, module); }

Format Weights::format_of(const std::string& path, Module module) const {
  const ReadAs& as = loader_->impl_->as;
  if (!as.choose_format) return as.format;
  const TensorEntry* const entry = loader_->impl_->store->find(path);
  const Format chosen = entry == nullptr ? Format::f32 : as.choose_format(module, entry->dtype);
  // Kernels of a device take weights of their rows' own type, or of fewer bits.
  const bool own = runtime().row_type() != at::kFloat && !is_quantised(chosen);
  return own ? nn::format_of(runtime().row_type()) : chosen;
}

const Runtime& Weights::runtime() const { return *loader_->impl_->runtime; }

Matrix Weights::matrix(std::string_view name, const Shape& expected) const {
  const std::string path = path_ + std::string(name);
  const HeldMatrix held{module_, format_of(path, module_)};
  if (loader_->packs(held.format)) {
    return loader_->get_packed(std::span(&path, 1), std::span(&expected, 1), held, {});
  }
  return Matrix(loader_->get(path, expected, held));
}

Matrix Weights::table(std::string_view name, const Shape& expected) const {
  const std::string path = path_ + std::string(name);
  const HeldMatrix held{Module::rest, format_of(path, Module::rest)};
  return Matrix(loader_->get(path, expected, held));
}

Matrix Weights::stacked(std::span<const std::string_view> names, std::span<const std::int64_t> rows,
                        std::int64_t columns, const Pairing& pairing) const {
  std::vector<std::string> paths;
  std::vector<Shape> shapes;
  std::vector<Format> formats;
  for (std::size_t i = 0; i < names.size(); ++i) {
    paths.push_back(path_ + std::string(names[i]) + ".weight");
    shapes.push_back({rows[i], columns});
    formats.push_back(format_of(paths.back(), module_));
  }
  // One format for all: float32 where they are stored as different ones.
  const bool equal =
      std::ranges::adjacent_find(formats, std::ranges::not_equal_to()) == formats.end();
  const HeldMatrix held{module_, equal ? formats.front() : Format::f32};
  if (loader_->packs(held.format)) return loader_->get_packed(paths, shapes, held, pairing);
  std::vector<at::Tensor> blocks;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    blocks.push_back(loader_->get(paths[i], shapes[i], held));
  }
  const bool apart = runtime().row_type() == at::kFloat ||
                     std::ranges::any_of(blocks, [](const at::Tensor& block) {
                       return block.is_meta();
                     });  // without values
  return apart || blocks.size() == 1 ? Matrix(std::move(blocks)) : Matrix(at::cat(blocks));
}

at::Tensor Weights::vector(std::string_view name, const Shape& expected) const {
  return loader_->get(path_ + std::string(name), expected, nn::format_of(runtime().row_type()));
}

bool Weights::has(std::string_view name) const {
  return loader_->impl_->as.values == Values::plan ||
         loader_->impl_->store->find(path_ + std::string(name)) != nullptr;
}

void Weights::ignore(std::string_view name) const {
  loader_->impl_->known.insert(path_ + std::string(name));
}

void Weights::pass_over(std::string_view name) const {
  ignore(name);
  loader_->impl_->needed.insert(path_ + std::string(name));
}

WeightLoader::WeightLoader(const Runtime& runtime, std::shared_ptr<const TensorStore> store,
                           ReadAs as)
    : impl_(std::make_unique<Impl>()) {
  impl_->runtime = &runtime;
  impl_->store = std::move(store);
  impl_->as = std::move(as);
}

WeightLoader::~WeightLoader() = default;

Weights WeightLoader::root() { return Weights(*this, "", Module::rest); }

bool WeightLoader::packs(Format format) const {
  if (impl_->as.values == Values::plan) return false;
  if (format == Format::f32 && !impl_->as.pack_f32) return false;
  if (!impl_->runtime->tables().packed_linear.empty()) {
    return is_quantised(format) || impl_->runtime->numerics() == Numerics::fast;
  }
  if (is_quantised(format) && impl_->runtime->row_type() == at::kFloat) {
    throw Error(ErrorCode::invalid_argument,
                "precision: expected f32, f16 or bf16 where a device's rows are float32, got q8 or "
                "q4, which its kernels multiply with rows of half precision",
                "choose another precision, or the CPU");
  }
  return is_quantised(format);
}

Format WeightLoader::usual_format() const {
  const auto most = most_of(impl_->bytes_of);
  return most == impl_->bytes_of.end() ? impl_->as.format : most->first;
}

const std::map<std::string, HeldMatrix, std::less<>>& WeightLoader::held() const {
  return impl_->held;
}
Format WeightLoader::Taken::usual_format() const { return most_of(elements_of)->first; }

const WeightLoader::Taken& WeightLoader::taken_by(Module module) const {
  return impl_->taken[static_cast<std::size_t>(module)];
}
const std::vector<RequestedTensor>& WeightLoader::requested() const { return impl_->requested; }
std::int64_t WeightLoader::parameters() const { return impl_->parameters; }
std::int64_t WeightLoader::bytes() const { return impl_->bytes; }

std::vector<const TensorEntry*> WeightLoader::needed() const {
  std::vector<const TensorEntry*> entries;
  for (const TensorEntry& entry : impl_->store->entries()) {
    if (impl_->needed.contains(entry.name)) entries.push_back(&entry);
  }
  return entries;
}

const TensorEntry* WeightLoader::accounted(const std::string& path, const Shape& expected) {
  Impl& impl = *impl_;
  impl.known.insert(path);
  impl.needed.insert(path);
  const TensorEntry* entry = impl.store->find(path);
  if (entry == nullptr) {
    impl.missing.push_back(path + " " + to_string(expected) + " is missing");
  } else if (entry->shape != expected) {
    if (checked_elements(entry->shape) == 0) impl.gathered_nowhere = true;
    const ShapeKeys because = shape_keys_of(path);
    const std::string keys = because.keys.empty() ? "" : " (" + std::string(because.keys) + ")";
    if (impl.misshapen.empty()) impl.misshapen_hint = because.hint;
    impl.misshapen.push_back(printable(entry->file) + ": " + path + " has shape " +
                             to_string(entry->shape) + ", expected " + to_string(expected) + keys);
  } else if (!is_weight_dtype(entry->dtype)) {
    impl.untyped.push_back(printable(entry->file) + ": " + path + " has type " +
                           std::string(name_of(entry->dtype)) + ", expected F32, F16, BF16 or F64");
  } else {
    return entry;
  }
  return nullptr;
}

at::Tensor WeightLoader::read(const TensorEntry& entry, at::ScalarType wanted,
                              ReadingRoom* room) const {
  const Impl& impl = *impl_;
  const RoundedTo rounded_to = impl.as.rounded_to;
  const auto rounded = rounded_to == nullptr ? std::nullopt : rounded_to(entry.name);
  if (rounded && *rounded != entry.dtype && scalar_type(*rounded) != wanted) {
    return values_of(entry, impl.store, scalar_type(*rounded)).to(wanted);
  }
  const bool fits = scalar_type(entry.dtype) == wanted && is_lendable(entry);
  if (fits) return lent(entry, impl.store);
  return values_of(entry, impl.store, wanted,
                   room == nullptr ? at::Tensor() : room->take(entry.shape, wanted));
}

at::Tensor WeightLoader::get(const std::string& path, const Shape& expected, Format format) {
  Impl& impl = *impl_;
  const at::ScalarType wanted = packed_from(format);
  if (impl.as.values == Values::plan) {
    if (impl.needed.insert(path).second) impl.requested.push_back({path, expected});
    at::Tensor empty = at::empty(expected, at::TensorOptions().dtype(wanted).device(at::kMeta));
    impl.count(empty);
    return empty;
  }
  const TensorEntry* entry = accounted(path, expected);
  if (entry == nullptr || impl.as.values == Values::leave) {
    at::Tensor empty = at::empty(expected, at::TensorOptions().dtype(wanted).device(at::kMeta));
    if (entry != nullptr) impl.count(empty);
    if (entry != nullptr && expected.size() == 2) {
      impl.bytes_of[format] += static_cast<std::int64_t>(empty.nbytes());
    }
    return empty;
  }

  at::Tensor tensor = impl.runtime->upload(read(*entry, wanted));
  impl.count(tensor);
  if (expected.size() == 2) impl.bytes_of[format] += static_cast<std::int64_t>(tensor.nbytes());
  count_read(*entry);
  return tensor;
}

at::Tensor WeightLoader::get(const std::string& path, const Shape& expected,
                             const HeldMatrix& held) {
  const bool is_new = !impl_->held.contains(path);
  at::Tensor tensor = get(path, expected, held.format);
  hold(path, expected, held);
  if (is_new && impl_->as.values == Values::plan) impl_->requested.back().module = held.module;
  return tensor;
}

void WeightLoader::hold(const std::string& path, const Shape& shape, const HeldMatrix& held) {
  if (!impl_->held.emplace(path, held).second) return;
  const auto elements = checked_elements(shape).value_or(0);
  const bool packed = packs(held.format) && held.module != Module::rest;
  const bool in_tiles = impl_->runtime->tables().packed_linear.empty();
  Taken& taken = impl_->taken[static_cast<std::size_t>(held.module)];
  taken.elements += elements;
  taken.elements_of[held.format] += elements;
  taken.bytes +=
      packed && in_tiles ? tiled_bytes(held.format, shape[0], shape[1])
      : packed           ? packed_bytes(held.format, shape[0], shape[1])
               : elements * static_cast<std::int64_t>(at::elementSize(packed_from(held.format)));
}

void WeightLoader::count_read(const TensorEntry& entry) {
  Impl& impl = *impl_;
  impl.bytes_read +=
      checked_elements(entry.shape).value() * static_cast<std::int64_t>(size_of(entry.dtype));
  if (impl.as.progress) impl.as.progress(impl.bytes_read, impl.store->bytes());
}

Matrix WeightLoader::get_packed(std::span<const std::string> paths, std::span<const Shape> expected,
                                const HeldMatrix& held, const Pairing& pairing) {
  Impl& impl = *impl_;
  const Format format = held.format;
  const bool in_tiles = impl.runtime->tables().packed_linear.empty();
  std::vector<const TensorEntry*> entries;
  std::vector<at::Tensor> blocks;
  bool all = impl.as.values == Values::read;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    entries.push_back(accounted(paths[i], expected[i]));
    hold(paths[i], expected[i], held);
    if (entries.back() == nullptr) {
      all = false;
      continue;
    }
    rows += expected[i][0];
    impl.parameters += expected[i][0] * expected[i][1];
  }
  const std::int64_t columns = expected.front()[1];
  const std::int64_t bytes =
      in_tiles ? tiled_bytes(format, rows, columns) : packed_bytes(format, rows, columns);
  impl.bytes += bytes;
  impl.bytes_of[format] += bytes;
  if (all && !in_tiles &&
      std::ranges::all_of(entries, [&](const auto* e) { return is_stored_as(*e, format); })) {
    return get_stored(entries);
  }
  if (all && !in_tiles) return pack(entries, format);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    blocks.push_back(
        all ? read(*entries[i], packed_from(format))
            : at::empty(expected[i],
                        at::TensorOptions().dtype(packed_from(format)).device(at::kMeta)));
  }
  if (!all) return Matrix(std::move(blocks));
  auto tiled =
      std::make_shared<const TiledMatrix>(*impl.runtime, format, pairing, std::move(blocks));
  for (const TensorEntry* entry : entries) done_with(*entry);
  return Matrix(std::move(tiled));
}

// What a piece of a matrix is made from is given back before the next piece is read. Values that
// are computed are there at once.
Matrix WeightLoader::pack(std::span<const TensorEntry* const> entries, Format format) {
  const at::ScalarType wanted = packed_from(format);
  std::vector<RowSource> blocks;
  for (const TensorEntry* entry : entries) {
    const std::int64_t rows = entry->shape[0], columns = entry->shape[1];
    if (entry->recipe || entry->scales) {
      const at::Tensor values = read(*entry, wanted);
      blocks.push_back({rows, columns * static_cast<std::int64_t>(values.element_size()),
                        [values](std::int64_t first, std::int64_t count) {
                          return values.narrow(0, first, count);
                        }});
      continue;
    }
    blocks.push_back({rows, columns * static_cast<std::int64_t>(size_of(entry->dtype)),
                      [this, entry, wanted](std::int64_t first, std::int64_t count) {
                        return read(some_rows(*entry, first, count), wanted, &impl_->room);
                      },
                      [this, entry](std::int64_t first, std::int64_t count) {
                        impl_->store->release(some_rows(*entry, first, count));
                        impl_->room.clear();
                      }});
  }
  auto packed = std::make_shared<const PackedMatrix>(*impl_->runtime, format,
                                                     entries.front()->shape[1], blocks);
  for (const TensorEntry* entry : entries) done_with(*entry);
  return Matrix(std::move(packed));
}

void WeightLoader::done_with(const TensorEntry& entry) {
  count_read(entry);
  if (!entry.recipe) impl_->store->release(entry);
}

Matrix WeightLoader::get_stored(std::span<const TensorEntry* const> entries) {
  std::vector<StoredMatrix> blocks;
  for (const TensorEntry* entry : entries) blocks.push_back(stored_matrix(*entry));
  auto packed = std::make_shared<const PackedMatrix>(*impl_->runtime, blocks);
  for (const TensorEntry* entry : entries) done_with(*entry);
  return Matrix(std::move(packed));
}

// What is to be said of tensors that nobody has read.
std::vector<std::string> WeightLoader::unread() const {
  std::vector<std::string> left;
  for (const TensorEntry& entry : impl_->store->entries()) {
    if (entry.recipe && !entry.recipe->changes.empty() && !impl_->needed.contains(entry.name)) {
      left.push_back(printable(entry.file) + ": an adapter changes " + printable(entry.name) +
                     ", which is a copy of another tensor or none of this model");
      continue;
    }
    if (impl_->known.contains(entry.name) || is_known_buffer(entry.name)) continue;
    left.push_back(printable(entry.file) + ": " + printable(entry.name) + " " +
                   to_string(entry.shape) + " belongs to no part of this model");
  }
  if (impl_->as.unread == Unread::refuse || left.empty()) return left;
  log_warning(left.size() == 1 ? "1 tensor is left aside: " + left[0]
                               : std::to_string(left.size()) +
                                     " tensors are left aside; the first one: " + left[0]);
  return {};
}

void WeightLoader::finish() const {
  const Impl& impl = *impl_;
  const std::vector<std::string> left = unread();
  Findings findings;
  // Misshapen ones first: they say most about which checkpoint this is. A few of each group, so
  // that what is missing and what is there under another name are seen side by side, then the rest.
  constexpr std::size_t kOfEach = 3;
  const auto groups = {&impl.misshapen, &impl.missing, &impl.untyped, &left};
  const auto first_of = [kOfEach](const auto& group) { return std::min(kOfEach, group.size()); };
  for (const auto* group : groups) {
    for (const std::string& finding : std::span(*group).first(first_of(*group))) {
      findings.add(finding);
    }
  }
  for (const auto* group : groups) {
    for (const std::string& finding : std::span(*group).subspan(first_of(*group))) {
      findings.add(finding);
    }
  }
  if (findings.empty()) return;

  std::string hint = "the weights and config.json are not of the same model";
  if (impl.misshapen.empty() && impl.missing.empty() && !left.empty()) {
    hint =
        "are files of another checkpoint in this directory, or laid over it? transformers leaves "
        "such tensors aside with a warning, and so does ignore_unexpected (--ignore-unexpected)";
  } else if (impl.misshapen.empty() && left.empty()) {
    hint = "is a shard missing from the directory?";
  } else if (impl.gathered_nowhere) {
    hint =
        "tensors without elements are what DeepSpeed's stage 3 saves unless it gathers them: put "
        "its shards together with zero_to_fp32.py";
  } else if (!impl.misshapen_hint.empty()) {
    hint = impl.misshapen_hint;
  }
  findings.throw_if_any(ErrorCode::bad_model,
                        findings.size() == 1
                            ? "1 tensor does not fit config.json"
                            : std::to_string(findings.size()) + " tensors do not fit config.json",
                        hint);
}

}  // namespace instructblip::nn
