#include "adapters/blank_weights.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_recipe.h"
#include "core/errors.h"
#include "core/log.h"

namespace instructblip {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kLooked = 64;  // bytes at each place

bool is_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte value) { return value == std::byte{0}; });
}

bool is_zero_at(Bytes bytes, std::size_t begin) {
  return is_zero(bytes.subspan(begin, std::min(kLooked, bytes.size() - begin)));
}

// Hardly more than a page of the file is touched where there is a value.
bool is_blank(Bytes bytes) {
  return !bytes.empty() && is_zero_at(bytes, bytes.size() / 2) && is_zero(bytes);
}

// Where a download ended inside it. Rows of words that no text has may be zeros as well, but not so
// many.
bool has_blank_end(Bytes bytes) {
  const std::size_t quarter = bytes.size() / 4;
  return quarter >= kLooked && is_zero_at(bytes, bytes.size() - kLooked) &&
         is_zero(bytes.last(quarter));
}

bool is_matrix(const TensorEntry& entry) {
  return entry.shape.size() >= 2 && entry.name.ends_with(".weight");
}

bool is_norm(const TensorEntry& entry) {
  const std::string_view name = entry.name;
  const bool named = name.find("norm") != name.npos || name.find("layrnorm") != name.npos;
  return entry.shape.size() == 1 && named && name.ends_with(".weight");
}

struct File {
  std::int64_t matrices = 0;
  std::vector<std::string> blank_matrices, blank_norms, blank_ends;

  void look_at(const TensorEntry& entry) {
    if (is_norm(entry) && is_blank(entry.bytes)) blank_norms.push_back(entry.name);
    if (!is_matrix(entry)) return;
    ++matrices;
    if (is_blank(entry.bytes)) {
      blank_matrices.push_back(entry.name);
    } else if (has_blank_end(entry.bytes)) {
      blank_ends.push_back(entry.name);
    }
  }

  // A norm of zeros leaves nothing of what it is given: no training ends there.
  bool is_never_written() const {
    const std::size_t others = blank_matrices.size() + blank_ends.size();
    return (!blank_norms.empty() && blank_norms.size() + others > 1) ||
           (matrices > 1 && std::ssize(blank_matrices) == matrices);
  }
};

std::string listed(const std::vector<std::string>& names, const std::string& what) {
  if (names.empty()) return {};
  return what + ": " + std::to_string(names.size()) + " (" + printable(names.front()) +
         (names.size() > 1 ? ", ..." : "") + ")";
}

void report(const File& file, const std::string& name) {
  std::string found;
  for (const std::string& part : {listed(file.blank_matrices, "matrices of zeros alone"),
                                  listed(file.blank_norms, "norms of zeros alone"),
                                  listed(file.blank_ends, "matrices that end in zeros")}) {
    if (!part.empty()) found += (found.empty() ? "" : "; ") + part;
  }
  if (found.empty()) return;
  const std::string hint =
      "download it once more, or compare its checksum with that of the hub's page";
  if (file.is_never_written()) {
    throw Error(ErrorCode::bad_model, name + ": " + found + ". Its download has not ended", hint);
  }
  log_warning(name + ": " + found + ". Has its download ended? If in doubt, " + hint);
}

// The changes of adapters, by the file of their lora_A.
struct Changes {
  std::int64_t count = 0, without_effect = 0;
};

}  // namespace

void check_not_blank(const TensorStore& tensors) {
  std::map<std::string, File> files;
  std::map<std::string, Changes> adapters;
  for (const TensorEntry& entry : tensors.entries()) {
    if (!entry.recipe) {
      files[entry.file].look_at(entry);
      continue;
    }
    const TensorEntry& base = entry.recipe->base;
    files[base.file].look_at(base);
    for (const LowRankChange& change : entry.recipe->changes) {
      Changes& changes = adapters[change.a.file];
      ++changes.count;
      if (is_blank(change.a.bytes) || is_blank(change.b.bytes)) ++changes.without_effect;
    }
  }
  for (const auto& [name, file] : files) report(file, printable(name));
  for (const auto& [name, changes] : adapters) {
    if (changes.without_effect == 0) continue;
    log_warning(printable(name) + ": " + std::to_string(changes.without_effect) + " of " +
                std::to_string(changes.count) +
                " changes are zero, as of an adapter that was not trained or whose download has "
                "not ended");
  }
}

}  // namespace instructblip
