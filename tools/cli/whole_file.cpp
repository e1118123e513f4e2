#include "cli/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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

// By the names that lead there, or by where links on the way lead.
bool lies_in(const fs::path& file, const fs::path& folder) {
  std::error_code unknown;
  const fs::path parent = file.has_parent_path() ? file.parent_path() : ".";
  for (const fs::path& place :
       {fs::canonical(parent, unknown), fs::weakly_canonical(file, unknown).parent_path()}) {
    for (fs::path above = place; !above.empty(); above = above.parent_path()) {
      if (is_same(above, folder)) return true;
      if (above == above.parent_path()) break;
    }
  }
  return false;
}

// Whether a file of this name is one that models consist of: others may lie in their directory,
// such as what was written there before.
bool is_of_a_model(const fs::path& file) {
  constexpr std::string_view kBegins[] = {
      "adapter_",           "added_tokens",  "chat_template",  "config",       "consolidated",
      "generation",         "merges",        "model",          "preprocessor", "processor",
      "pytorch_model",      "sentencepiece", "special_tokens", "spiece",       "tokenizer",
      "video_preprocessor", "vocab"};
  constexpr std::string_view kEnds[] = {".bin", ".model", ".pt", ".pth"};
  const std::string name = file.filename().string();
  return std::ranges::any_of(kBegins, [&](auto begin) { return name.starts_with(begin); }) ||
         std::ranges::any_of(kEnds, [&](auto end) { return name.ends_with(end); });
}

}  // namespace

std::string kind_of(fs::file_type type) {
  return type == fs::file_type::directory ? "a directory" : "a special file";
}

void write_whole(const fs::path& name, std::string_view content) {
  std::error_code unknown;
  const fs::file_status old = fs::status(name, unknown);
  if (old.type() == fs::file_type::none) fail(name, unknown.message());
  const bool is_new = old.type() == fs::file_type::not_found;
  if (!is_new && old.type() != fs::file_type::regular) {
    fail(name, "expected a regular file, got " + kind_of(old.type()));
  }
  const fs::path file = is_new ? name : fs::canonical(name, unknown);
  std::string temporary;
  int descriptor = -1;
  int number = 0;
  do {  // a process of this number may have been killed here
    temporary =
        file.string() + "." + std::to_string(::getpid()) + "." + std::to_string(number++) + ".tmp";
    descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor < 0 && errno == EEXIST);
  if (descriptor < 0) fail(name, std::strerror(errno));
  if (!is_new) fs::permissions(temporary, old.permissions(), unknown);
  int fault = write_and_close(descriptor, content);
  if (fault == 0 && std::rename(temporary.c_str(), file.c_str()) != 0) fault = errno;
  if (fault == 0) return;
  ::unlink(temporary.c_str());
  fail(name, std::strerror(fault));
}

void check_output(const Settings& settings, const std::string& option, const fs::path& output,
                  const std::vector<std::string>& pictures) {
  if (output.empty()) return;
  std::error_code unknown;
  const fs::file_type type = fs::status(output, unknown).type();
  const bool is_new = type == fs::file_type::not_found;
  if (!is_new && type != fs::file_type::regular && type != fs::file_type::none) {
    throw Failure(ExitCode::usage, option + " " + output.string() +
                                       ": expected a regular file or a new name, got " +
                                       kind_of(type));
  }
  const fs::path file = is_new ? output : fs::canonical(output, unknown);
  const fs::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    throw Failure(ExitCode::fault, option + " " + output.string() + ": cannot be written in " +
                                       folder.string() + ": " + std::strerror(errno));
  }
  check_not_read(settings, option, output, pictures);
}

void check_not_read(const Settings& settings, const std::string& option, const fs::path& output,
                    const std::vector<std::string>& pictures) {
  const auto refuse = [&](const fs::path& read, const std::string& what) {
    throw Failure(ExitCode::usage, option + " " + output.string() + ": " + what + " " +
                                       read.string() +
                                       ", which is read, and would be replaced\n  hint: give "
                                       "another name");
  };
  std::error_code unknown;
  if (output.empty() || !fs::exists(output, unknown)) return;
  std::vector<fs::path> files(pictures.begin(), pictures.end());
  files.insert(files.end(), settings.features.begin(), settings.features.end());
  for (const options::PictureSource& source : settings.pictures) files.emplace_back(source.value);
  files.insert(files.end(), {settings.task.input, settings.task.data});
  for (const fs::path& file : files) {
    if (is_same(output, file)) refuse(file, "is");
  }
  std::vector<fs::path> models = settings.load.overlays;
  models.insert(models.end(), settings.load.adapters.begin(), settings.load.adapters.end());
  models.emplace_back(settings.model);
  if (settings.load.language_model) models.push_back(*settings.load.language_model);
  for (const fs::path& model : models) {
    if (is_same(output, model)) refuse(model, "is");
    if (is_of_a_model(output) && lies_in(output, model)) refuse(model, "lies in");
    // A cache of downloads has links in the place of files.
    for (const auto& entry : fs::directory_iterator(model, unknown)) {
      if (is_of_a_model(entry.path()) && is_same(output, entry.path())) refuse(entry.path(), "is");
    }
  }
  for (const options::PictureSource& source : settings.pictures) {
    const bool is_video = source.kind == options::PictureSource::Kind::video;
    if (is_video && output.extension() != ".html" && lies_in(output, source.value)) {
      refuse(source.value, "lies in");
    }
  }
}

}  // namespace instructblip::cli
