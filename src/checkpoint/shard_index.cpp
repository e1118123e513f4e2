#include "checkpoint/shard_index.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "core/errors.h"
#include "core/json.h"

namespace instructblip {
namespace {

constexpr const char* kStale =
    "the index and the shards are not of the same download; fetch all of them again";

// One path component: whatever the index says, nothing outside its directory is opened.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\\') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace

std::vector<std::string> ShardIndex::shards() const {
  std::set<std::string> names;
  for (const auto& [tensor, shard] : shard_of) names.insert(shard);
  return {names.begin(), names.end()};
}

ShardIndex read_shard_index(const std::filesystem::path& file) {
  const Json map = Json::read(file).at("weight_map");
  ShardIndex index{file.string(), {}};
  for (const auto& [tensor, shard] : map.members()) {
    const std::string name = shard.string();
    if (!is_plain_file_name(name)) shard.fail("the name of a file in the same directory");
    index.shard_of.emplace_hint(index.shard_of.end(), tensor, name);
  }
  if (index.shard_of.empty()) map.fail("at least one tensor");
  return index;
}

void check_against_index(const std::vector<TensorEntry>& entries, const ShardIndex& index) {
  Findings doubled;
  Findings misplaced;
  std::set<std::string_view> found;
  const TensorEntry* previous = nullptr;
  for (const TensorEntry& entry : entries) {
    found.insert(entry.name);
    const auto place = index.shard_of.find(entry.name);
    if (previous != nullptr && previous->name == entry.name) {
      doubled.add("tensor " + quote(entry.name) + " is in " + printable(previous->file) +
                  " and in " + printable(entry.file));
    } else if (place == index.shard_of.end()) {
      misplaced.add("tensor " + quote(entry.name) + " of " + printable(entry.file) +
                    " is not in the index");
    } else if (place->second != entry.file) {
      misplaced.add("tensor " + quote(entry.name) + " is in " + printable(entry.file) +
                    ", expected in " + printable(place->second));
    }
    previous = &entry;
  }
  doubled.throw_if_any(ErrorCode::bad_model,
                       printable(index.file) + ": tensors stored in two shards", kStale);
  for (const auto& [tensor, shard] : index.shard_of) {
    if (!found.contains(tensor)) {
      misplaced.add("tensor " + quote(tensor) + " is missing from " + printable(shard));
    }
  }
  misplaced.throw_if_any(ErrorCode::bad_model,
                         printable(index.file) + ": the shards hold other tensors than it says",
                         kStale);
}

}  // namespace instructblip
