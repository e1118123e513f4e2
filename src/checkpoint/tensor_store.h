// The tensors of a checkpoint directory: one file of safetensors or of torch.save(), or shards with
// an index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"
#include "core/pages.h"
#include "core/shape.h"

namespace instructblip {

// Names that begin with `from` begin with `to` instead.
struct TensorRename {
  std::string_view from, to;
};

struct TensorRecipe;

// Scales of a matrix whose elements are stored in 8 or 4 bits (kernels/stored_rows.h).
struct StoredScales {
  int bits = 8;
  std::span<const std::byte> bytes = {};
};

struct TensorEntry {
  std::string name;  // renamed, where open() was told to
  DType dtype;
  Shape shape;
  std::span<const std::byte> bytes;  // inside the map; row-major, little-endian, perhaps unaligned
  std::string file;                  // the shard's file name, for messages
  // Where there is one, the values are computed when they are asked for, and `bytes` is empty.
  std::shared_ptr<const TensorRecipe> recipe = {};
  // Where there are some, `bytes` are elements of so many bits, and `dtype` and `shape` those of
  // the values that they stand for.
  std::optional<StoredScales> scales = {};
};

// Owns the maps. Immutable; safe to use from any thread.
class TensorStore {
 public:
  // Opens model.safetensors, or model.safetensors.index.json with its shards, or pytorch_model.bin,
  // or its index with its shards (in this order, as the reference does), or, where none exists, the
  // only *.safetensors, *.bin, *.pth or *.pt file of `directory`. Checks every header; the weights
  // themselves are not read, and nothing of a pickle is executed. Access::copy reads into memory
  // instead of mapping. Every name goes through all of `renames` in their order. Throws Error:
  // not_found where there are no weights, bad_model where a file is damaged or contradicts another
  // or where two tensors come to one name, unsupported for element types and pickles that no
  // checkpoint needs.
  static TensorStore open(const std::filesystem::path& directory,
                          MappedFile::Access access = MappedFile::Access::map,
                          std::span<const TensorRename> renames = {});

  // The tensors of one file, whatever its name ends in.
  static TensorStore open_file(const std::filesystem::path& file,
                               MappedFile::Access access = MappedFile::Access::map);
  // Whether open() would find weights of any kind in `directory`, good or bad.
  static bool has_weights(const std::filesystem::path& directory);

  // A store of `entries`, which point into `parts`, `copies` and `spent`. Each name once. What lies
  // in `spent` can be read until it is released, and not after that.
  using Copies = std::vector<std::unique_ptr<std::byte[]>>;
  static TensorStore of(std::vector<TensorStore> parts, Copies copies,
                        std::vector<TensorEntry> entries,
                        std::unique_ptr<const Pages> spent = nullptr);

  // Null where the checkpoint has no such tensor.
  const TensorEntry* find(std::string_view name) const;
  // All entries, sorted by name.
  std::span<const TensorEntry> entries() const;
  // The sum of the tensors' bytes, as they are stored or will be made.
  std::int64_t bytes() const;
  // Drops the resident pages of one tensor, once its values live elsewhere.
  void release(const TensorEntry& entry) const;

  TensorStore(TensorStore&&) noexcept;
  TensorStore& operator=(TensorStore&&) noexcept;
  ~TensorStore();

 private:
  struct Impl;
  explicit TensorStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace instructblip
