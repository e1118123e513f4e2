// What `batch` is given and what it has written: items, their keys, and the file of answers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/session.h"

namespace instructblip::cli {

// One line of the input, or one picture of a folder.
struct BatchItem {
  std::string id;  // JSON of the line's "id"; empty where it has none
  std::vector<std::string> pictures;
  bool is_video = false;  // they are a video, as read_video() takes it
  std::string instruction;
  std::optional<std::string> qformer_text;
  std::string fault;  // what is wrong with the line; else empty
};

// The items of `input`, a .jsonl file or a folder of pictures. A line is an object with "image",
// "images" or "video", and "instruction" unless the command has one; "id" and "qformer_text" may be
// there. A broken line is an item with a fault. Throws Failure(usage) where the file cannot be read
// or has no item, and Failure(image) for a folder without pictures.
std::vector<BatchItem> read_items(Session& session, const std::string& input);

// 128 bits of what is put in, as 32 hexadecimal digits: two FNV-1a of different bases. It tells
// items apart, and keeps no secret.
class Digest {
 public:
  void add(std::string_view bytes);  // and their number, so that "ab" "c" is not "a" "bc"
  // A file byte for byte, which is not held in memory. Throws Failure(image).
  void add_file(const std::filesystem::path& file);
  std::string text() const;

 private:
  void mix(unsigned char byte);
  std::uint64_t one_ = 0xCBF29CE484222325, two_ = 0x84222325CBF29CE4;
};

// Answers in a file, a line each, which is flushed when it is written.
class AnswerFile {
 public:
  // With `resume` the answers that the file holds are kept; errors and a last line that was cut
  // short are dropped, so that those items are tried again. A file with other lines is refused, and
  // without `resume` one that holds something, with this `hint`. Devices and pipes take lines and
  // keep none: they are refused with `resume`. So is a file that another process is writing.
  // Throws Failure: usage, fault.
  AnswerFile(const std::filesystem::path& file, bool resume, const std::string& hint);
  ~AnswerFile();
  AnswerFile(const AnswerFile&) = delete;
  AnswerFile& operator=(const AnswerFile&) = delete;

  // How many answers each key had.
  const std::map<std::string, std::size_t>& kept() const { return kept_; }
  std::size_t kept_count() const;
  // Throws Failure(fault).
  void write(const std::string& row);

 private:
  // @return whether another file has taken its place, without what is not kept
  bool keep_answers(const std::filesystem::path& file);
  void open();
  void lock();

  std::filesystem::path name_;
  std::map<std::string, std::size_t> kept_;
  std::FILE* stream_ = nullptr;
};

}  // namespace instructblip::cli
