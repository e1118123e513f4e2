#include "cli/text_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "cli/failure.h"

namespace instructblip::cli {
namespace {

constexpr std::size_t kTextBytes = 1 << 20;  // what the library takes for a text at most
constexpr std::size_t kListBytes = 64 << 20;
constexpr std::string_view kStandardInput = "standard input";

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw Failure(ExitCode::usage, where + ": " + what);
}

struct Opened {
  Opened(const std::string& file, int flags) : descriptor(::open(file.c_str(), flags | O_CLOEXEC)) {
    const std::string name = file.empty() ? "a file without a name" : file;
    if (descriptor < 0) fail(name, std::string("cannot be opened: ") + std::strerror(errno));
  }
  ~Opened() { ::close(descriptor); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  const int descriptor;
};

std::string read_all(int descriptor, std::size_t most, const std::string& where) {
  std::string bytes;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(where, std::string("cannot be read: ") + std::strerror(errno));
    if (count == 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
    if (bytes.size() > most) {
      fail(where, "expected at most " + std::to_string(most) + " bytes, got more");
    }
  }
}

// What editors and shells put around the same text: a mark in front, two bytes for a line end.
std::string plain(std::string bytes, const std::string& where) {
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) {
    fail(where, "expected UTF-8, got UTF-16\n  hint: save it as UTF-8");
  }
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  std::size_t kept = 0;
  for (std::size_t at = bytes.starts_with(kMark) ? kMark.size() : 0; at < bytes.size(); ++at) {
    const bool windows = bytes[at] == '\r' && at + 1 < bytes.size() && bytes[at + 1] == '\n';
    if (!windows) bytes[kept++] = bytes[at];
  }
  bytes.resize(kept);
  if (bytes.ends_with('\n')) bytes.pop_back();
  return bytes;
}

std::string text_from_input() {
  const std::string where(kStandardInput);
  return plain(read_all(STDIN_FILENO, kTextBytes + 2, where), where);
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

std::string read_standard_input(std::size_t most) {
  return read_all(STDIN_FILENO, most, std::string(kStandardInput));
}

std::string read_to_end(const std::string& file, std::size_t most) {
  const Opened opened(file, O_RDONLY);
  return read_all(opened.descriptor, most, file);
}

std::string read_regular(const std::string& file, std::size_t most) {
  const Opened opened(file, O_RDONLY | O_NONBLOCK);
  struct stat status;
  if (::fstat(opened.descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    fail(file, std::string("expected a regular file, got ") +
                   (S_ISDIR(status.st_mode) ? "a directory" : "a special file"));
  }
  return read_all(opened.descriptor, most, file);
}

std::string text_or_input(const std::string& text) {
  return text == "-" ? text_from_input() : text;
}

std::vector<std::string> texts_or_lines(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const std::string& text : texts) {
    if (text != "-") {
      all.push_back(text);
      continue;
    }
    const std::size_t before = all.size();
    for (std::string& line : split(text_from_input())) {
      // An empty one would be an answer like any other, and often the likeliest.
      if (line.find_first_not_of(" \t") != std::string::npos) all.push_back(std::move(line));
    }
    if (all.size() == before) fail(std::string(kStandardInput), "expected a text a line, got none");
  }
  return all;
}

std::vector<std::string> lines_of(const std::string& file) {
  if (file == "-") {
    const std::string where(kStandardInput);
    return split(plain(read_all(STDIN_FILENO, kListBytes, where), where));
  }
  return split(plain(read_to_end(file, kListBytes), file));
}

}  // namespace instructblip::cli
