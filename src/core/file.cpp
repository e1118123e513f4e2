#include "core/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "core/errors.h"
#include "core/foreign_file.h"
#include "core/pages.h"

namespace instructblip {
namespace {

std::string shown(const std::filesystem::path& file) { return printable(file.string()); }

[[noreturn]] void fail(const std::filesystem::path& file, ErrorCode code, const std::string& what) {
  throw Error(code, shown(file) + ": " + what);
}

[[noreturn]] void fail_with_errno(const std::filesystem::path& file, ErrorCode code,
                                  const std::string& what, int error) {
  if (error == ENOENT || error == ENOTDIR) code = ErrorCode::not_found;
  if (error == ENOMEM) code = ErrorCode::out_of_memory;
  fail(file, code, what + ": " + std::strerror(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// O_NONBLOCK, because opening a FIFO would otherwise wait for a writer.
Descriptor open_regular(const std::filesystem::path& file, ErrorCode code, std::int64_t& size) {
  if (file.native().find('\0') != std::string::npos) {
    fail(file, code, "expected the name of a file, got one with a NUL byte");
  }
  Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) fail_with_errno(file, code, "cannot be opened", errno);
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0)
    fail_with_errno(file, code, "cannot be examined", errno);
  if (!S_ISREG(status.st_mode)) {
    fail(file, code,
         std::string("expected a regular file, got ") +
             (S_ISDIR(status.st_mode) ? "a directory" : "a special file"));
  }
  size = status.st_size;
  return descriptor;
}

void read_exactly(int fd, std::byte* out, std::int64_t size, const std::filesystem::path& file,
                  ErrorCode code) {
  std::int64_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(fd, out + done, static_cast<std::size_t>(size - done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_with_errno(file, code, "cannot be read", errno);
    if (n == 0) {
      fail(file, code,
           "ended after " + std::to_string(done) + " bytes, expected " + std::to_string(size));
    }
    done += n;
  }
}

// What a new content of `name` has to replace: the file behind a link, not the link. A rename would
// also put a file in the place of a device or a pipe.
std::filesystem::path target_of(const std::filesystem::path& name) {
  std::error_code error;
  const auto type = std::filesystem::status(name, error).type();
  const bool replaceable = type == std::filesystem::file_type::regular ||
                           type == std::filesystem::file_type::not_found ||
                           type == std::filesystem::file_type::directory;  // rename() refuses it
  if (!replaceable)
    fail(name, ErrorCode::io, "expected a regular file or a new name, got a special file");
  const std::filesystem::path target = std::filesystem::canonical(name, error);
  return error ? name : target;
}

}  // namespace

bool is_present(const std::filesystem::path& file) {
  std::error_code ignored;
  return std::filesystem::symlink_status(file, ignored).type() !=
         std::filesystem::file_type::not_found;
}

bool is_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

std::string read_start(const std::filesystem::path& file, std::int64_t count,
                       std::int64_t max_bytes, ErrorCode code) {
  std::int64_t size = 0;
  const Descriptor descriptor = open_regular(file, code, size);
  if (size > max_bytes) {
    refuse_foreign(recognise_foreign_file(file), file.string(),
                   "a file of at most " + std::to_string(max_bytes) + " bytes", code);
    fail(file, code,
         std::to_string(size) + " bytes, expected at most " + std::to_string(max_bytes));
  }
  const std::int64_t wanted = std::min(size, count);
  std::string content(static_cast<std::size_t>(wanted), '\0');
  read_exactly(descriptor.get(), reinterpret_cast<std::byte*>(content.data()), wanted, file, code);
  return content;
}

std::string read_file(const std::filesystem::path& file, std::int64_t max_bytes, ErrorCode code) {
  return read_start(file, max_bytes, max_bytes, code);
}

MappedFile::MappedFile(const std::filesystem::path& file, Access access, ErrorCode code)
    : access_(access) {
  std::int64_t size = 0;
  const Descriptor descriptor = open_regular(file, code, size);
  if (size == 0) return;
  // A copy goes to an anonymous map, so that both kinds are released alike.
  const bool copy = access == Access::copy;
  void* address =
      ::mmap(nullptr, static_cast<std::size_t>(size), copy ? PROT_READ | PROT_WRITE : PROT_READ,
             copy ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE, copy ? -1 : descriptor.get(), 0);
  if (address == MAP_FAILED) fail_with_errno(file, code, "cannot be mapped", errno);
  data_ = static_cast<const std::byte*>(address);
  size_ = static_cast<std::size_t>(size);
  if (!copy) return;
  try {
    read_exactly(descriptor.get(), static_cast<std::byte*>(address), size, file, code);
  } catch (...) {
    ::munmap(address, size_);
    data_ = nullptr;
    throw;
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(access_, other.access_);
  return *this;
}

void MappedFile::release_pages(std::span<const std::byte> range) const {
  if (access_ == Access::map) drop_pages(range);
}

void write_file_atomically(const std::filesystem::path& name,
                           const std::function<void(const ByteSink&)>& write) {
  const std::filesystem::path file = target_of(name);
  const auto fail_write = [&] {
    throw Error(ErrorCode::io, shown(name) + ": cannot be written: " + std::strerror(errno));
  };
  static std::atomic<unsigned> counter{0};
  std::string temporary;
  int fd = -1;
  do {  // a process of this number may have been killed here
    temporary =
        file.string() + "." + std::to_string(::getpid()) + "." + std::to_string(counter++) + ".tmp";
    fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EEXIST);
  const Descriptor descriptor(fd);
  if (fd < 0) fail_write();
  try {
    write([&](std::span<const std::byte> bytes) {
      while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail_write();
        bytes = bytes.subspan(static_cast<std::size_t>(n));
      }
    });
    if (::fsync(fd) != 0) fail_write();
    if (::rename(temporary.c_str(), file.c_str()) != 0) fail_write();
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace instructblip
