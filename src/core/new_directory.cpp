#include "core/new_directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>

#include "core/errors.h"
#include "core/file.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& directory) {
  const std::string reason = std::strerror(errno);
  throw Error(ErrorCode::io, printable(directory.string()) + ": cannot be written: " + reason);
}

// Without a slash at its end, which would hide the name.
fs::path plain(const fs::path& path) {
  std::error_code ignored;
  const fs::path whole = fs::absolute(path, ignored).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

bool is_empty_directory(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(fs::symlink_status(path, error)) && fs::is_empty(path, error) && !error;
}

// 0777 as the process creates directories; mkdtemp() makes them private.
void open_to_others(const fs::path& directory) {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::chmod(directory.c_str(), 0777 & ~mask);
}

void flush(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

NewDirectory::NewDirectory(const fs::path& final) : final_(plain(final)) {
  if (is_present(final_) && !is_empty_directory(final_)) {
    throw Error(ErrorCode::invalid_argument,
                printable(final.string()) + ": there is something of this name already",
                "nothing is replaced; give the name of a directory that does not exist");
  }
  std::string name =
      (final_.parent_path() / ("." + final_.filename().string() + ".XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) fail(final);
  temporary_ = name;
  open_to_others(temporary_);
}

NewDirectory::~NewDirectory() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void NewDirectory::finish() {
  flush(temporary_);
  if (std::rename(temporary_.c_str(), final_.c_str()) != 0) fail(final_);
  temporary_.clear();
  flush(final_.parent_path());
}

}  // namespace instructblip
