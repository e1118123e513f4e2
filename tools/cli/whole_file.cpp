#include "cli/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

namespace instructblip::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const std::string& why) {
  throw Failure(ExitCode::fault, file.string() + ": cannot be written: " + why);
}

// 0, or what went wrong.
int write_and_close(int descriptor, std::string_view content) {
  int fault = 0;
  while (!content.empty() && fault == 0) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written >= 0) {
      content.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      fault = errno;
    }
  }
  if (fault == 0 && ::fsync(descriptor) != 0) fault = errno;
  if (::close(descriptor) != 0 && fault == 0) fault = errno;
  return fault;
}

bool is_same(const fs::path& one, const fs::path& other) {
  std::error_code none_of_both;
  return fs::equivalent(one, other, none_of_both);
}

bool lies_in(const fs::path& file, const fs::path& folder) {
  std::error_code unknown;
  const fs::path whole = fs::weakly_canonical(file, unknown);
  for (fs::path above = whole.parent_path(); !unknown; above = above.parent_path()) {
    if (is_same(above, folder)) return true;
    if (above == above.parent_path()) return false;
  }
  return false;
}

}  // namespace

void write_whole(const fs::path& name, std::string_view content) {
  std::error_code unknown;
  const fs::file_type type = fs::status(name, unknown).type();
  if (type != fs::file_type::regular && type != fs::file_type::not_found) {
    fail(name, type == fs::file_type::directory ? "it is a directory"
                                                : "expected a regular file, got a special file");
  }
  const fs::path target = fs::canonical(name, unknown);
  const fs::path file = unknown ? name : target;
  const std::string temporary = file.string() + "." + std::to_string(::getpid()) + ".tmp";
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) fail(name, std::strerror(errno));
  int fault = write_and_close(descriptor, content);
  if (fault == 0 && std::rename(temporary.c_str(), file.c_str()) != 0) fault = errno;
  if (fault == 0) return;
  ::unlink(temporary.c_str());
  fail(name, std::strerror(fault));
}

void check_not_read(const Settings& settings, const std::string& option,
                    const std::string& output) {
  const auto refuse = [&](const std::string& read, const std::string& what) {
    throw Failure(ExitCode::usage, "--" + option + " " + output + ": " + what + " " + read +
                                       ", which is read, and would be replaced\n  hint: give "
                                       "another name");
  };
  std::error_code unknown;
  if (output.empty() || !fs::exists(output, unknown)) return;
  std::vector<std::string> read = settings.features;
  for (const options::PictureSource& source : settings.pictures) read.push_back(source.value);
  for (const std::string& file : read) {
    if (is_same(output, file)) refuse(file, "is");
  }
  std::vector<fs::path> models = settings.load.overlays;
  models.insert(models.end(), settings.load.adapters.begin(), settings.load.adapters.end());
  models.push_back(settings.model);
  if (settings.load.language_model) models.push_back(*settings.load.language_model);
  for (const fs::path& model : models) {
    if (is_same(output, model)) refuse(model.string(), "is");
    if (lies_in(output, model)) refuse(model.string(), "lies in");
  }
}

}  // namespace instructblip::cli
