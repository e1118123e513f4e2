#include "checkpoint/tensor_store.h"

#include <algorithm>
#include <functional>
#include <system_error>
#include <utility>

#include "checkpoint/folder_contents.h"
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
// Suffixes of the only weights file of a directory, in the order in which they are looked for.
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
  std::vector<std::string> names = names_in(directory);
  // LLaVA's own code leaves what belongs to an adapter under a name of its own.
  const bool with_adapter = is_present(directory / "adapter_config.json");
  std::erase_if(names, [&](const std::string& name) {
    return is_never_weights(name) || !name.ends_with(suffix) ||
           (with_adapter && name == "non_lora_trainables.bin");
  });
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
  const FolderKind kind = kind_of_folder(directory);
  throw Error(ErrorCode::not_found,
              shown + ": no weights" + (kind.what.empty() ? "" : " (" + kind.what + ")") +
                  "; expected one of " + expected,
              kind.hint);
}

void check_shards_are_there(const fs::path& directory, const std::vector<std::string>& shards,
                            std::string_view index) {
  std::vector<std::string> missing = shards;
  std::erase_if(missing, [&](const std::string& shard) { return is_present(directory / shard); });
  if (missing.empty()) return;
  const std::string part = unfinished_download_of(directory / missing[0]);
  throw Error(ErrorCode::not_found,
              printable((directory / missing[0]).string()) + ": no such file, expected by " +
                  std::string(index) + ", of whose " + std::to_string(shards.size()) + " shards " +
                  std::to_string(missing.size()) +
                  (missing.size() == 1 ? " is missing" : " are missing") +
                  (part.empty() ? "" : "; there is " + quote(part)),
              part.empty() ? "copy or download every shard that the index names"
                           : "the download has not ended: start it once more");
}

// Before it is opened: a link to nothing, as in a folder of the hub's cache that was copied without
// what its links lead to; a folder of a file's name, as DeepSpeed and its zero_to_fp32.py write
// them.
void check_is_file(const fs::path& file) {
  std::error_code error;
  const std::string name = printable(file.string());
  if (fs::is_directory(file, error)) {
    const FolderKind kind = kind_of_folder(file);
    const bool has_weights = kind.what.empty() && TensorStore::has_weights(file);
    throw Error(
        ErrorCode::bad_model,
        name + ": expected a regular file, got a directory" +
            (kind.what.empty() ? "" : " (" + kind.what + ")"),
        has_weights ? "there are weights in it: lay it over the model (--overlay)" : kind.hint);
  }
  if (fs::exists(file, error) || error || !fs::is_symlink(file, error)) return;
  const fs::path target = fs::read_symlink(file, error);
  throw Error(
      ErrorCode::not_found,
      name + ": No such file: a link to " + quote(target.string()) + ", where there is nothing",
      "its download has not ended, or the link was copied without its file");
}

// What looks whole and is not.
void check_is_whole(const fs::path& file, std::span<const std::byte> content) {
  const std::string name = printable(file.string());
  // aria2 takes the whole room of a file at once.
  const fs::path control = file.string() + ".aria2";
  if (is_present(control)) {
    throw Error(
        ErrorCode::bad_model,
        name + ": its download has not ended: there is " + quote(control.filename().string()),
        "start the download once more: it goes on where it stopped");
  }
  if (!content.empty()) return;
  const std::string part = unfinished_download_of(file);
  throw Error(ErrorCode::bad_model,
              name + ": an empty file, expected weights" +
                  (part.empty() ? "" : "; there is " + quote(part)),
              "its download has not begun or was broken off: download it once more");
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
    const FolderKind kind = kind_of_file(directory / names[0]);
    if (!kind.what.empty()) {
      throw Error(ErrorCode::unsupported, printable(directory.string()) + ": " + kind.what,
                  kind.hint);
    }
    throw Error(ErrorCode::bad_model,
                printable(directory.string()) + ": " + std::to_string(names.size()) +
                    " weights files without an index, expected one: " + quote(names[0]) + ", " +
                    quote(names[1]) + (names.size() > 2 ? ", ..." : ""),
                "copy the index of the shards into the directory as well");
  }
  const int shards = shards_of(names[0]);
  if (shards > 1) {
    throw Error(ErrorCode::bad_model,
                printable((directory / names[0]).string()) + ": one of " + std::to_string(shards) +
                    " shards, and there is neither another one nor an "
                    "index in the directory",
                "download the other shards and their index as well");
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
  std::unique_ptr<const Pages> spent;
  std::vector<TensorEntry> entries;
  std::int64_t bytes = 0;

  std::vector<TensorEntry> read(std::span<const std::byte> file, const fs::path& path) {
    const std::string name = path.string();
    if (!is_torch_file(file, name)) return read_safetensors_header(file, name);
    TorchFile torch = read_torch_file(file, name);
    for (auto& copy : torch.copies) copies.push_back(std::move(copy));
    return std::move(torch.entries);
  }

  void add(const fs::path& directory, const std::string& name, MappedFile::Access access) {
    const fs::path path = directory / name;
    check_is_file(path);
    if (access == MappedFile::Access::copy) {
      // A damaged file is refused before its bytes take memory.
      const MappedFile map(path, MappedFile::Access::map, ErrorCode::bad_model);
      check_is_whole(path, map.bytes());
      read(map.bytes(), path);
    }
    const MappedFile& file = files.emplace_back(path, access, ErrorCode::bad_model);
    check_is_whole(path, file.bytes());
    for (TensorEntry& entry : read(file.bytes(), path)) {
      entry.file = name;
      entries.push_back(std::move(entry));
    }
  }

  void add_shards(const fs::path& directory, std::string_view index_name,
                  MappedFile::Access access) {
    const ShardIndex index = read_shard_index(directory / index_name);
    const std::vector<std::string> shards = index.shards();
    check_shards_are_there(directory, shards, index_name);
    for (const std::string& shard : shards) add(directory, shard, access);
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

  static bool lies_in(std::span<const std::byte> memory, std::span<const std::byte> range) {
    const std::less_equal<const std::byte*> before;
    return before(memory.data(), range.data()) &&
           before(range.data(), memory.data() + memory.size());
  }

  // True where the range lies in a file of this store, or in what it has for reading once.
  bool release(std::span<const std::byte> range) const {
    if (spent && lies_in(spent->bytes(), range)) {
      drop_pages(range);
      return true;
    }
    for (const MappedFile& file : files) {
      if (!lies_in(file.bytes(), range)) continue;
      file.release_pages(range);
      return true;
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
                            std::vector<TensorEntry> entries, std::unique_ptr<const Pages> spent) {
  auto impl = std::make_unique<Impl>();
  impl->parts = std::move(parts);
  impl->copies = std::move(copies);
  impl->entries = std::move(entries);
  impl->spent = std::move(spent);
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
void TensorStore::release(const TensorEntry& entry) const {
  impl_->release(entry.bytes);
  if (entry.scales) impl_->release(entry.scales->bytes);
}

TensorStore::TensorStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TensorStore::TensorStore(TensorStore&&) noexcept = default;
TensorStore& TensorStore::operator=(TensorStore&&) noexcept = default;
TensorStore::~TensorStore() = default;

}  // namespace instructblip
