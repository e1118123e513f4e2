#include "cli/batch_items.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "cli/json_object.h"
#include "cli/picture_list.h"
#include "cli/text_input.h"
#include "cli/whole_file.h"

namespace instructblip::cli {
namespace {

namespace fs = std::filesystem;
using Object = nlohmann::ordered_json;

// A field of a line as text; throws what is wrong with it.
std::string text_of(const Object& line, const char* key) {
  if (!line.at(key).is_string()) {
    throw std::invalid_argument(std::string(key) + ": expected a text, got " +
                                line.at(key).type_name());
  }
  return line.at(key).get<std::string>();
}

std::vector<std::string> names_of(const Object& list, const std::string& key) {
  std::vector<std::string> names;
  for (const Object& name : list) {
    if (!name.is_string()) throw std::invalid_argument(key + ": expected file names");
    names.push_back(name.get<std::string>());
  }
  return names;
}

// @return whether they are a video
bool read_pictures(const Object& line, std::vector<std::string>& names) {
  const int kinds = static_cast<int>(line.contains("image")) +
                    static_cast<int>(line.contains("images")) +
                    static_cast<int>(line.contains("video"));
  if (kinds > 1) throw std::invalid_argument("expected one of image, images and video");
  if (line.contains("image")) {
    names = {text_of(line, "image")};
    return false;
  }
  const bool is_video = line.contains("video");
  const char* const key = is_video ? "video" : "images";
  if (is_video && line.at(key).is_string()) {
    names = {text_of(line, key)};
    return true;
  }
  if (kinds == 0 || !line.at(key).is_array() || line.at(key).empty()) {
    throw std::invalid_argument(
        "expected \"image\" with a file name, \"images\" with several, or \"video\" with a file, a "
        "folder of frames or several");
  }
  names = names_of(line.at(key), key);
  return is_video;
}

// As it is handed on. A number of more digits than are kept would come back as another one.
std::string id_of(const Object& id, const std::string& text) {
  std::string written = id.dump();
  if (!id.is_number() || text.find(written) != std::string::npos) return written;
  throw std::invalid_argument(
      "id: expected a text, or a number that comes back as it is written, got one that would be " +
      written);
}

BatchItem item_of(const std::string& text, const std::optional<std::string>& instruction) {
  BatchItem item;
  try {
    const Object line = object_of(text);
    if (line.contains("id")) item.id = id_of(line.at("id"), text);
    for (const auto& [key, value] : line.items()) {
      constexpr std::string_view kKnown[] = {"id",    "image",       "images",
                                             "video", "instruction", "qformer_text"};
      if (std::ranges::find(kKnown, key) == std::end(kKnown)) {
        throw std::invalid_argument(
            "unknown key \"" + key +
            "\", expected id, image, images, video, instruction, qformer_text");
      }
    }
    item.is_video = read_pictures(line, item.pictures);
    for (const std::string& name : item.pictures) {
      if (name.find('\0') == std::string::npos) continue;
      throw std::invalid_argument("expected the name of a file, got one with a NUL byte");
    }
    if (line.contains("instruction")) {
      item.instruction = text_of(line, "instruction");
    } else if (instruction) {
      item.instruction = *instruction;
    } else {
      throw std::invalid_argument("\"instruction\" is missing, and there is no --instruction");
    }
    if (line.contains("qformer_text")) item.qformer_text = text_of(line, "qformer_text");
  } catch (const Object::parse_error& error) {
    item.fault = "the line is not valid JSON from byte " + std::to_string(error.byte) + " on";
  } catch (const Object::exception&) {
    item.fault = "the line is not valid JSON";
  } catch (const std::invalid_argument& fault) {
    item.fault = fault.what();
  }
  return item;
}

}  // namespace

std::vector<BatchItem> read_items(Session& session, const std::string& input) {
  const auto& given = session.settings.instructions;
  if (given.size() > 1) {
    throw Failure(ExitCode::usage, "batch: expected one --instruction, got " +
                                       std::to_string(given.size()) +
                                       "\n  hint: an item of the input has its own");
  }
  const std::optional<std::string> instruction =
      given.empty() ? std::nullopt : std::optional(text_or_input(given.front()));
  std::vector<BatchItem> items;
  std::error_code unknown;
  if (fs::is_directory(input, unknown)) {
    const std::vector<options::PictureSource> folder = {
        {options::PictureSource::Kind::picture, input}};
    const std::string words = session.instructions().front();
    const auto warn = [&](const std::string& message) { session.warn(message); };
    for (const std::string& name : list_pictures(folder, warn).names) {
      items.push_back({"", {name}, false, words, {}, ""});
    }
    return items;
  }
  for (const std::string& line : lines_of(input)) {
    if (line.find_first_not_of(" \t") != std::string::npos) {
      items.push_back(item_of(line, instruction));
    }
  }
  if (!items.empty()) return items;
  throw Failure(ExitCode::usage, input + ": has no line, expected one for each item");
}

void Digest::mix(unsigned char byte) {
  constexpr std::uint64_t kPrime = 0x100000001B3;
  one_ = (one_ ^ byte) * kPrime;
  two_ = (two_ ^ static_cast<unsigned char>(byte + 1)) * kPrime;
}

void Digest::add(std::string_view bytes) {
  for (const char byte : bytes) mix(static_cast<unsigned char>(byte));
  for (std::size_t size = bytes.size(), i = 0; i < sizeof size; ++i, size >>= 8) {
    mix(static_cast<unsigned char>(size));
  }
}

void Digest::add_file(const fs::path& file) {
  std::error_code unknown;
  const fs::file_type type = fs::status(file, unknown).type();
  if (type != fs::file_type::regular && type != fs::file_type::not_found) {
    throw Failure(ExitCode::image,
                  file.string() + ": expected a regular file, got " + kind_of(type));
  }
  std::ifstream stream(file, std::ios::binary);
  std::string block(1 << 20, '\0');
  std::size_t size = 0;
  while (stream.read(block.data(), std::ssize(block)), stream.gcount() > 0) {
    const auto count = static_cast<std::size_t>(stream.gcount());
    for (const char byte : std::string_view(block).substr(0, count)) {
      mix(static_cast<unsigned char>(byte));
    }
    size += count;
  }
  if (!stream.eof()) throw Failure(ExitCode::image, file.string() + ": cannot be read");
  add(std::to_string(size));
}

std::string Digest::text() const {
  char digits[33];
  std::snprintf(digits, sizeof digits, "%016llx%016llx", static_cast<unsigned long long>(one_),
                static_cast<unsigned long long>(two_));
  return digits;
}

AnswerFile::AnswerFile(const fs::path& file, bool resume, const std::string& hint) : name_(file) {
  std::error_code unknown;
  const fs::file_type type = fs::status(file, unknown).type();
  if (type == fs::file_type::none) {
    throw Failure(ExitCode::fault, file.string() + ": cannot be written: " + unknown.message());
  }
  const bool is_special = type != fs::file_type::regular && type != fs::file_type::not_found;
  if (is_special && resume) {
    throw Failure(ExitCode::usage,
                  file.string() + ": expected a regular file, which --resume goes on with, got " +
                      kind_of(type));
  }
  if (is_special) {
    open();
    return;
  }
  const auto holds = [&] { return fs::exists(file, unknown) && fs::file_size(file, unknown) > 0; };
  const auto check_new = [&] {
    if (resume || !holds()) return;
    throw Failure(ExitCode::usage,
                  file.string() + ": is there already, expected a new file\n  hint: " + hint);
  };
  check_new();
  open();
  lock();
  check_new();  // now that nobody else begins it
  if (!holds() || !keep_answers(file)) return;
  open();  // the file that has taken its place
  lock();
}

AnswerFile::~AnswerFile() {
  if (stream_ != nullptr) std::fclose(stream_);
}

void AnswerFile::open() {
  if (stream_ != nullptr) std::fclose(stream_);
  stream_ = std::fopen(name_.c_str(), "abe");
  if (stream_ != nullptr) return;
  throw Failure(ExitCode::fault,
                name_.string() + ": cannot be written: " + std::generic_category().message(errno));
}

// Two that write one file would each answer every item. What was opened may have been replaced
// before it was locked. A file system without locks has none.
void AnswerFile::lock() {
  while (true) {
    if (::flock(::fileno(stream_), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      throw Failure(ExitCode::usage, name_.string() +
                                         ": another process is writing it\n  hint: wait until it "
                                         "has ended, or give another name");
    }
    struct stat opened {};
    struct stat named {};
    const bool is_known =
        ::fstat(::fileno(stream_), &opened) == 0 && ::stat(name_.c_str(), &named) == 0;
    if (is_known && opened.st_dev == named.st_dev && opened.st_ino == named.st_ino) return;
    open();
  }
}

bool AnswerFile::keep_answers(const fs::path& file) {
  const std::string text = read_regular(file.string(), std::numeric_limits<std::size_t>::max());
  const auto refuse = [&](std::size_t line) {
    throw Failure(ExitCode::usage, file.string() + ", line " + std::to_string(line) +
                                       ": expected an answer of batch, with its \"key\"\n  hint: "
                                       "--output names the file of answers, --input the requests");
  };
  std::string rows;
  std::size_t number = 0, begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string row = text.substr(begin, end - begin);
    const Object object = Object::parse(row, nullptr, /*allow_exceptions=*/false);
    ++number;
    // Another file's lines are not ours to drop.
    if (!object.is_object() || !object.contains("key") || !object.at("key").is_string()) {
      refuse(number);
    }
    if (object.contains("error")) continue;
    ++kept_[object.at("key").get<std::string>()];
    rows += row + "\n";
  }
  // Nor is a last one that no answer begins with.
  constexpr std::string_view kBegin = "{\"key\":\"";
  const std::string_view rest = std::string_view(text).substr(begin);
  if (!rest.starts_with(kBegin) && !kBegin.starts_with(rest)) refuse(number + 1);
  if (rows.size() == text.size()) return false;
  write_whole(file, rows);
  return true;
}

std::size_t AnswerFile::kept_count() const {
  std::size_t count = 0;
  for (const auto& [key, times] : kept_) count += times;
  return count;
}

void AnswerFile::write(const std::string& row) {
  const std::string line = row + "\n";
  const bool written =
      std::fwrite(line.data(), 1, line.size(), stream_) == line.size() && std::fflush(stream_) == 0;
  if (written) return;
  throw Failure(ExitCode::fault,
                name_.string() + ": cannot be written: " + std::generic_category().message(errno));
}

}  // namespace instructblip::cli
