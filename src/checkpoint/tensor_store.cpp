#include "checkpoint/tensor_store.h"

#include <algorithm>
#include <functional>
#include <system_error>
#include <utility>

#include "checkpoint/safetensors_header.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/torch_file.h"
#include "core/errors.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

// In the order in which the reference looks for them: one file, or shards with an index.
struct Layout {
  std::string_view single, index;
};
constexpr Layout kLayouts[] = {
    {"model.safetensors", "model.safetensors.index.json"},
    {"pytorch_model.bin", "pytorch_model.bin.index.json"},
};

constexpr std::string_view kSafetensors = ".safetensors";
// Of the only weights file of a directory, in the order in which they are looked for.
constexpr std::string_view kSuffixes[] = {kSafetensors, ".bin", ".pth", ".pt", ".ckpt"};

constexpr std::string_view kTorchSuffixes[] = {".bin", ".pth", ".pt"};

// By its name, or by how it begins where the name does not say.
bool is_torch_file(std::span<const std::byte> file, std::string_view name) {
  if (name.ends_with(kSafetensors)) return false;
  return begins_as_torch_file(file) ||
         std::ranges::any_of(kTorchSuffixes,
                             [&](std::string_view suffix) { return name.ends_with(suffix); });
}

std::vector<std::string> names_ending_in(const fs::path& directory, std::string_view suffix) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    // Trainers leave their settings beside the weights, under this name.
    if (name == "training_args.bin") continue;
    if (name.ends_with(suffix)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

[[noreturn]] void fail_without_weights(const fs::path& directory) {
  const std::string shown = printable(directory.string());
  if (!is_present(directory)) {
    throw Error(ErrorCode::not_found, shown + ": no such directory",
                "give the directory of a Hugging Face checkpoint, which holds config.json");
  }
  std::string expected;
  for (const Layout& layout : kLayouts) {
    expected += (expected.empty() ? "" : ", ") + std::string(layout.single) + ", " +
                std::string(layout.index);
  }
  throw Error(ErrorCode::not_found, shown + ": no weights; expected one of " + expected);
}

[[noreturn]] void fail_without_shard(const fs::path& directory, const std::string& shard,
                                     std::string_view index) {
  throw Error(
      ErrorCode::not_found,
      printable((directory / shard).string()) + ": no such file, expected by " + std::string(index),
      "copy or download every shard that the index names");
}

// Those of the first kind of which there are any.
std::vector<std::string> weights_files(const fs::path& directory) {
  std::vector<std::string> names;
  for (const std::string_view suffix : kSuffixes) {
    if (names.empty()) names = names_ending_in(directory, suffix);
  }
  return names;
}

// The only weights file of a directory whose names are nobody's convention.
std::string only_weights_file(const fs::path& directory) {
  const std::vector<std::string> names = weights_files(directory);
  if (names.empty()) fail_without_weights(directory);
  if (names.size() > 1) {
    throw Error(ErrorCode::bad_model,
                printable(directory.string()) + ": " + std::to_string(names.size()) +
                    " weights files without an index, expected one: " + quote(names[0]) + ", " +
                    quote(names[1]) + (names.size() > 2 ? ", ..." : ""),
                "copy the index of the shards into the directory as well");
  }
  return names[0];
}

bool by_name(const TensorEntry& a, const TensorEntry& b) {
  return std::pair<std::string_view, std::string_view>(a.name, a.file) <
         std::pair<std::string_view, std::string_view>(b.name, b.file);
}

void rename(std::vector<TensorEntry>& entries, std::span<const TensorRename> renames) {
  for (TensorEntry& entry : entries) {
    for (const TensorRename& row : renames) {
      if (entry.name.starts_with(row.from)) entry.name.replace(0, row.from.size(), row.to);
    }
  }
  std::sort(entries.begin(), entries.end(), by_name);
  const auto twice = std::adjacent_find(
      entries.begin(), entries.end(),
      [](const TensorEntry& a, const TensorEntry& b) { return a.name == b.name; });
  if (twice == entries.end()) return;
  throw Error(ErrorCode::bad_model,
              printable(twice->file) + ": two tensors are " + printable(twice->name) +
                  ", under names of two layouts",
              "are files of two revisions in this directory?");
}

}  // namespace

struct TensorStore::Impl {
  std::vector<MappedFile> files;
  std::vector<TensorStore> parts;
  Copies copies;
  std::vector<TensorEntry> entries;
  std::int64_t bytes = 0;

  std::vector<TensorEntry> read(std::span<const std::byte> file, const std::string& name) {
    if (!is_torch_file(file, name)) return read_safetensors_header(file, name);
    TorchFile torch = read_torch_file(file, name);
    for (auto& copy : torch.copies) copies.push_back(std::move(copy));
    return std::move(torch.entries);
  }

  void add(const fs::path& directory, const std::string& name, MappedFile::Access access) {
    const fs::path path = directory / name;
    if (access == MappedFile::Access::copy) {
      // A damaged file is refused before its bytes take memory.
      const MappedFile map(path, MappedFile::Access::map, ErrorCode::bad_model);
      read(map.bytes(), name);
    }
    const MappedFile& file = files.emplace_back(path, access, ErrorCode::bad_model);
    for (TensorEntry& entry : read(file.bytes(), name)) entries.push_back(std::move(entry));
  }

  void add_shards(const fs::path& directory, std::string_view index_name,
                  MappedFile::Access access) {
    const ShardIndex index = read_shard_index(directory / index_name);
    for (const std::string& shard : index.shards()) {
      if (!is_present(directory / shard)) fail_without_shard(directory, shard, index_name);
      add(directory, shard, access);
    }
    std::sort(entries.begin(), entries.end(), by_name);
    check_against_index(entries, index);
  }

  void add_all(const fs::path& directory, MappedFile::Access access) {
    for (const Layout& layout : kLayouts) {
      if (is_present(directory / layout.single)) {
        return add(directory, std::string(layout.single), access);
      }
      if (is_present(directory / layout.index)) return add_shards(directory, layout.index, access);
    }
    add(directory, only_weights_file(directory), access);
  }

  // True where the range lies in a file of this store.
  bool release(std::span<const std::byte> range) const {
    const std::less_equal<const std::byte*> before;
    for (const MappedFile& file : files) {
      const std::span<const std::byte> map = file.bytes();
      if (before(map.data(), range.data()) && before(range.data(), map.data() + map.size())) {
        file.release_pages(range);
        return true;
      }
    }
    return std::ranges::any_of(parts,
                               [&](const TensorStore& part) { return part.impl_->release(range); });
  }

  // Once all entries are there.
  void finish(std::span<const TensorRename> renames) {
    std::sort(entries.begin(), entries.end(), by_name);
    if (!renames.empty()) rename(entries, renames);
    for (const TensorEntry& entry : entries) {
      bytes +=
          checked_elements(entry.shape).value() * static_cast<std::int64_t>(size_of(entry.dtype));
    }
  }
};

TensorStore TensorStore::open(const fs::path& directory, MappedFile::Access access,
                              std::span<const TensorRename> renames) {
  auto impl = std::make_unique<Impl>();
  impl->add_all(directory, access);
  impl->finish(renames);
  return TensorStore(std::move(impl));
}

TensorStore TensorStore::open_file(const fs::path& file, MappedFile::Access access) {
  auto impl = std::make_unique<Impl>();
  impl->add(file.parent_path(), file.filename().string(), access);
  impl->finish({});
  return TensorStore(std::move(impl));
}

bool TensorStore::has_weights(const fs::path& directory) {
  const auto is_there = [&](const Layout& layout) {
    return is_present(directory / layout.single) || is_present(directory / layout.index);
  };
  return std::ranges::any_of(kLayouts, is_there) || !weights_files(directory).empty();
}

TensorStore TensorStore::of(std::vector<TensorStore> parts, Copies copies,
                            std::vector<TensorEntry> entries) {
  auto impl = std::make_unique<Impl>();
  impl->parts = std::move(parts);
  impl->copies = std::move(copies);
  impl->entries = std::move(entries);
  impl->finish({});
  return TensorStore(std::move(impl));
}

const TensorEntry* TensorStore::find(std::string_view name) const {
  const auto found = std::lower_bound(
      impl_->entries.begin(), impl_->entries.end(), name,
      [](const TensorEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return found != impl_->entries.end() && found->name == name ? &*found : nullptr;
}

std::span<const TensorEntry> TensorStore::entries() const { return impl_->entries; }

std::int64_t TensorStore::bytes() const { return impl_->bytes; }

// What was copied into memory lies in no file.
void TensorStore::release(const TensorEntry& entry) const { impl_->release(entry.bytes); }

TensorStore::TensorStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TensorStore::TensorStore(TensorStore&&) noexcept = default;
TensorStore& TensorStore::operator=(TensorStore&&) noexcept = default;
TensorStore::~TensorStore() = default;

}  // namespace instructblip
