#include "checkpoint/model_dictionary.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "core/errors.h"
#include "core/log.h"

namespace instructblip {

std::optional<Pickle::Ref> find(const Pickle& pickle, Pickle::Ref dictionary,
                                std::string_view key) {
  std::optional<Pickle::Ref> found;
  for (const auto& [name, value] : pickle.items(dictionary)) {
    if (pickle.kind(name) == Pickle::Kind::text && pickle.text(name) == key) found = value;
  }
  return found;
}

namespace {

// Under which LAVIS, Lightning, DeepSpeed, PyTorch's own tutorials and others put the weights,
// beside what their training needs.
constexpr std::array<std::string_view, 8> kModelKeys = {
    "model",       "state_dict", "module",  "model_state_dict",
    "model_state", "net",        "network", "weights"};
constexpr std::array<std::string_view, 4> kOuterKeys = {"state", "model", "checkpoint", "app"};

// Whether tensors stand in it by name; `dotted`: by one with a dot, as all modules but the simplest
// have them, and numbers of a training ("loss", "scale") do not.
bool holds_tensors(const Pickle& pickle, Pickle::Ref value, bool dotted = false) {
  if (pickle.kind(value) != Pickle::Kind::dictionary) return false;
  return std::ranges::any_of(pickle.items(value), [&](const auto& item) {
    return pickle.kind(item.first) == Pickle::Kind::text &&
           pickle.kind(item.second) == Pickle::Kind::tensor &&
           (!dotted || pickle.text(item.first).find('.') != std::string_view::npos);
  });
}

// Keys of what state_dict() may have returned.
std::set<std::string_view> keys_of_models(const Pickle& pickle, Pickle::Ref dictionary) {
  std::set<std::string_view> keys;
  std::map<Pickle::Ref, bool> known;  // one dictionary may stand under any number of keys
  for (const auto& [key, value] : pickle.items(dictionary)) {
    if (pickle.kind(key) != Pickle::Kind::text) continue;
    const auto [found, is_new] = known.try_emplace(value, false);
    if (is_new) found->second = holds_tensors(pickle, value, true);
    if (found->second) keys.insert(pickle.text(key));
  }
  return keys;
}

// The key in `dictionary` under which the weights are, by custom or because no other is possible.
std::optional<std::string_view> key_of_model(const Pickle& pickle, Pickle::Ref dictionary,
                                             const std::string& name) {
  std::optional<std::string_view> chosen;
  for (const std::string_view key : kModelKeys) {
    if (chosen) break;
    const auto value = find(pickle, dictionary, key);
    if (value && holds_tensors(pickle, *value)) chosen = key;
  }
  const std::set<std::string_view> keys = keys_of_models(pickle, dictionary);
  const bool at_the_top = !chosen && holds_tensors(pickle, dictionary, true);
  if (!chosen && !at_the_top && keys.size() > 1) {
    throw Error(ErrorCode::bad_model,
                printable(name) +
                    ": several dictionaries of tensors, expected one: " + quote(*keys.begin()) +
                    ", " + quote(*std::next(keys.begin())) + (keys.size() > 2 ? ", ..." : ""),
                "save the one that counts alone: torch.save(saved[...], ...)");
  }
  if (!chosen && !at_the_top && keys.size() == 1) chosen = *keys.begin();
  for (const std::string_view key : keys) {
    if (key == chosen) continue;
    log_warning(printable(name) + ": the weights are those " +
                (chosen ? "under " + quote(*chosen) : std::string("at the top")) +
                "; tensors under " + quote(key) + " are left aside");
    break;
  }
  return chosen;
}

}  // namespace

Pickle::Ref model_in(const Pickle& pickle, const std::string& name) {
  constexpr int kLevels = 3;
  Pickle::Ref dictionary = pickle.root();
  for (int level = 0; level < kLevels; ++level) {
    if (level > 0 && holds_tensors(pickle, dictionary, true)) return dictionary;
    if (const auto key = key_of_model(pickle, dictionary, name)) {
      dictionary = *find(pickle, dictionary, *key);
      continue;
    }
    if (holds_tensors(pickle, dictionary)) return dictionary;
    // Composer: {"state": {"model": {...}}}; others: {"model": {"state_dict": {...}}}.
    std::optional<Pickle::Ref> inner;
    for (const std::string_view outer : kOuterKeys) {
      if (!inner) inner = find(pickle, dictionary, outer);
      if (inner && pickle.kind(*inner) != Pickle::Kind::dictionary) inner.reset();
    }
    if (!inner) break;
    dictionary = *inner;
  }
  return dictionary;
}

}  // namespace instructblip
