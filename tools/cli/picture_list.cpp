#include "cli/picture_list.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/failure.h"
#include "cli/output.h"
#include "cli/text_input.h"

namespace instructblip::cli {
namespace {

namespace fs = std::filesystem;

// Names of pictures, whether or not they are read: one that cannot be is an error, not passed over.
constexpr auto kExtensions = std::to_array<std::string_view>(
    {".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".apng", ".gif", ".webp", ".bmp",
     ".dib", ".tif",  ".tiff", ".jp2",  ".j2k",  ".jpf",  ".jpx", ".pbm",  ".pgm",
     ".ppm", ".pnm",  ".avif", ".heic", ".heif", ".hif",  ".jxl"});
constexpr std::size_t kNamesInAMessage = 3;

bool is_named_as_picture(const fs::path& file) {
  std::string extension = file.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::ranges::find(kExtensions, extension) != kExtensions.end();
}

// "2 files (a.txt, b.json)", the first of them by name.
std::string counted(std::vector<std::string> names, const std::string& noun) {
  std::ranges::sort(names);
  std::string out = std::to_string(names.size()) + " " + noun + (names.size() == 1 ? "" : "s");
  for (std::size_t i = 0; i < std::min(names.size(), kNamesInAMessage); ++i) {
    out += (i == 0 ? " (" : ", ") + harmless(on_one_line(names[i]));
  }
  return out + (names.size() > kNamesInAMessage ? ", ...)" : ")");
}

struct Folder {
  std::vector<std::string> pictures, files, folders;  // names inside; the last two passed over
};

Folder read_folder(const std::string& name) {
  Folder folder;
  std::error_code error;
  fs::directory_iterator entry(name, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string inside = entry->path().filename().string();
    std::error_code unknown;  // a link that leads nowhere is a picture that cannot be opened
    if (inside.starts_with('.')) continue;
    if (entry->is_directory(unknown)) {
      folder.folders.push_back(inside);
    } else {
      (is_named_as_picture(inside) ? folder.pictures : folder.files).push_back(inside);
    }
  }
  if (error) throw Failure(ExitCode::image, name + ": cannot be read: " + error.message());
  std::ranges::sort(folder.pictures);
  return folder;
}

// The digits of `name` that the byte at `at` belongs to or follows, without zeros in front.
std::string number_at(const std::string& name, std::size_t at) {
  const auto is_digit = [&](std::size_t i) { return name[i] >= '0' && name[i] <= '9'; };
  while (at > 0 && is_digit(at - 1)) --at;
  while (at + 1 < name.size() && name[at] == '0' && is_digit(at + 1)) ++at;
  std::size_t end = at;
  while (end < name.size() && is_digit(end)) ++end;
  return name.substr(at, end - at);
}

// "10.png" and "2.png", in which the numbers fall though the names rise.
bool number_falls(const std::string& first, const std::string& second) {
  const auto differ = std::ranges::mismatch(first, second);
  const auto at = static_cast<std::size_t>(differ.in1 - first.begin());
  const std::string a = number_at(first, at), b = number_at(second, at);
  return !a.empty() && !b.empty() && (a.size() != b.size() ? a.size() > b.size() : a > b);
}

std::string falling_numbers(const std::vector<std::string>& names) {
  const auto falls = std::ranges::adjacent_find(names, number_falls);
  return falls == names.end() ? "" : *falls + " before " + *std::next(falls);
}

std::string passed_over(const Folder& folder) {
  std::string out;
  if (!folder.files.empty()) out = counted(folder.files, "file") + " not named as a picture";
  if (folder.folders.empty()) return out;
  return out + (out.empty() ? "" : " and ") + counted(folder.folders, "folder");
}

void add_folder(const std::string& name, PictureList& list,
                const std::function<void(const std::string&)>& warn) {
  const Folder folder = read_folder(name);
  const std::string others = passed_over(folder);
  if (folder.pictures.empty()) {
    throw Failure(ExitCode::image, name + ": no picture in this folder" +
                                       (others.empty() ? ", it is empty" : ", only " + others) +
                                       "\n  hint: pictures are told by the ends of their names, "
                                       "such as .jpg; --images-from takes any name");
  }
  if (list.falling_numbers.empty()) list.falling_numbers = falling_numbers(folder.pictures);
  if (!others.empty()) warn(name + ": passed over " + others);
  for (const std::string& picture : folder.pictures) list.names.push_back(fs::path(name) / picture);
}

void add(const std::string& name, PictureList& list,
         const std::function<void(const std::string&)>& warn) {
  std::error_code unknown;  // whatever is wrong with a name is said when it is opened
  if (name != "-" && fs::is_directory(name, unknown)) {
    list.spelled_out = false;
    add_folder(name, list, warn);
  } else {
    list.names.push_back(name);
  }
}

// A list whose names are meant relative to its own folder is told by its first one.
void check_place(const std::string& file, const std::string& first) {
  const fs::path beside = fs::path(file).parent_path() / first;
  std::error_code unknown;
  if (file == "-" || fs::exists(first, unknown) || !fs::exists(beside, unknown)) return;
  throw Failure(ExitCode::image,
                first +
                    ": cannot be opened: No such file or directory\n  hint: names in a list are "
                    "relative to the working directory, and there is a file " +
                    beside.string());
}

void add_list(const std::string& file, PictureList& list,
              const std::function<void(const std::string&)>& warn) {
  list.spelled_out = false;
  const std::size_t before = list.names.size();
  std::size_t number = 0;
  for (const std::string& line : lines_of(file)) {
    ++number;
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    if (line.find('\0') != std::string::npos) {
      throw Failure(ExitCode::usage, file + ", line " + std::to_string(number) +
                                         ": expected the name of a file, got a NUL byte\n  hint: "
                                         "one name a line, as find prints them without -print0");
    }
    if (list.names.size() == before) check_place(file, line);
    add(line == "-" ? "./-" : line, list, warn);
  }
  if (list.names.size() > before) return;
  throw Failure(ExitCode::usage, (file == "-" ? std::string("standard input") : file) +
                                     ": expected names of pictures, one a line, got none");
}

}  // namespace

PictureList list_pictures(const std::vector<PictureSource>& sources,
                          const std::function<void(const std::string&)>& warn) {
  PictureList list;
  const auto is_video = [](const PictureSource& source) {
    return source.kind == PictureSource::Kind::video;
  };
  list.are_videos = std::ranges::any_of(sources, is_video);
  if (list.are_videos && !std::ranges::all_of(sources, is_video)) {
    throw Failure(ExitCode::usage,
                  "--video: expected no --image beside it\n  hint: a command is about pictures or "
                  "about videos; the frames of a video can be a folder behind --video");
  }
  for (const PictureSource& source : sources) {
    if (list.are_videos) {
      list.names.push_back(source.value);
    } else if (source.kind == PictureSource::Kind::list) {
      add_list(source.value, list, warn);
    } else {
      add(source.value, list, warn);
    }
  }
  return list;
}

}  // namespace instructblip::cli
