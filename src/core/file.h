// Files from outside: only regular ones, never blocking, sizes checked before memory is taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "instructblip/error.h"

namespace instructblip {

// False only where there is nothing of this name. A link that leads nowhere or a name that cannot
// be looked at counts as present: opening it then says what is wrong.
bool is_present(const std::filesystem::path& file);

// False where there is none, and where it cannot be looked at.
bool is_folder(const std::filesystem::path& path);

// The first `count` bytes of a file, or all where it has fewer; throws as read_file().
std::string read_start(const std::filesystem::path& file, std::int64_t count,
                       std::int64_t max_bytes, ErrorCode code);

// The whole file. Throws Error: not_found where it does not exist, `code` where it is not a regular
// file, is larger than `max_bytes` or cannot be read whole.
std::string read_file(const std::filesystem::path& file, std::int64_t max_bytes, ErrorCode code);

// A read-only map of a whole regular file, or a private copy of it.
class MappedFile {
 public:
  enum class Access { map, copy };

  MappedFile() = default;
  // Throws as read_file(); an empty file maps to an empty span.
  MappedFile(const std::filesystem::path& file, Access access, ErrorCode code);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // Drops the resident pages that lie wholly inside the range; the content is read again from the
  // file when touched. Does nothing for a copy.
  void release_pages(std::span<const std::byte> range) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  Access access_ = Access::map;
};

// Writes a file whole or not at all: `write` receives a sink for the bytes, which go to a temporary
// name beside the file, are flushed to the disk and renamed. Where `name` is a link to a file,
// that file is replaced and the link stays; devices and pipes are refused. Throws Error(io);
// whatever `write` throws passes through. In both cases an older file is left as it was.
using ByteSink = std::function<void(std::span<const std::byte>)>;
void write_file_atomically(const std::filesystem::path& name,
                           const std::function<void(const ByteSink&)>& write);

}  // namespace instructblip
