#include "adapters/weight_layers.h"

#include <cstring>
#include <memory>
#include <utility>

#include "core/errors.h"

namespace instructblip {
namespace {

using Entries = std::map<std::string, TensorEntry, std::less<>>;

constexpr std::string_view kQuery = ".self_attn.q_bias";
constexpr std::string_view kValue = ".self_attn.v_bias";
constexpr std::string_view kFused = ".self_attn.qkv.bias";

bool fit(const TensorEntry& query, const TensorEntry& value) {
  return query.shape.size() == 1 && query.shape == value.shape && query.dtype == value.dtype;
}

// LAVIS and the first converter stored the biases of queries and values, and none of keys: it is
// zero.
void fuse_biases(Entries& entries, TensorStore::Copies& copies) {
  std::vector<TensorEntry> fused;
  for (const auto& [name, query] : entries) {
    if (!name.ends_with(kQuery)) continue;
    const std::string path = name.substr(0, name.size() - kQuery.size());
    const auto value = entries.find(path + std::string(kValue));
    if (value == entries.end() || !fit(query, value->second)) continue;
    if (entries.contains(path + std::string(kFused))) continue;
    const std::size_t third = query.bytes.size();
    auto bytes = std::make_unique<std::byte[]>(3 * third);
    std::memcpy(bytes.get(), query.bytes.data(), third);
    std::memcpy(bytes.get() + 2 * third, value->second.bytes.data(), third);
    TensorEntry whole = query;
    whole.name = path + std::string(kFused);
    whole.shape = {3 * query.shape[0]};
    whole.bytes = {bytes.get(), 3 * third};
    copies.push_back(std::move(bytes));
    fused.push_back(std::move(whole));
  }
  for (TensorEntry& whole : fused) {
    const std::string path = whole.name.substr(0, whole.name.size() - kFused.size());
    entries.erase(path + std::string(kQuery));
    entries.erase(path + std::string(kValue));
    entries.emplace(whole.name, std::move(whole));
  }
}

}  // namespace

void WeightLayers::add(TensorStore store, std::vector<TensorEntry> entries, bool from_checkpoint) {
  Entries named;
  for (TensorEntry& entry : entries) {
    const auto [found, is_new] = named.emplace(entry.name, entry);
    if (!is_new) {
      throw Error(ErrorCode::bad_model,
                  printable(entry.file) + ": two tensors are " + printable(entry.name) +
                      ", under names of two layouts",
                  "are files of two revisions in this directory?");
    }
  }
  fuse_biases(named, copies_);
  for (auto& [name, entry] : named) {
    tensors_.insert_or_assign(name, Tensor{std::move(entry), from_checkpoint});
  }
  stores_.push_back(std::move(store));
}

void WeightLayers::drop(std::string_view prefix) {
  auto it = tensors_.lower_bound(prefix);
  while (it != tensors_.end() && it->first.starts_with(prefix)) it = tensors_.erase(it);
}

TensorStore WeightLayers::finish() && {
  std::vector<TensorEntry> entries;
  for (auto& [name, tensor] : tensors_) entries.push_back(std::move(tensor.entry));
  return TensorStore::of(std::move(stores_), std::move(copies_), std::move(entries));
}

}  // namespace instructblip
