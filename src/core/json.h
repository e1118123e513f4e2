// Strict, bounded reading of JSON. The only door to nlohmann_json inside the library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/limits.h"
#include "instructblip/error.h"

namespace instructblip {

struct JsonLimits {
  std::int64_t bytes = limits::kConfigBytes;
  int depth = limits::kJsonDepth;
  ErrorCode code = ErrorCode::bad_model;  // what a malformed document is reported as
};

// A place in a parsed document: the value, and the path to it for messages ("config.json:
// vision_config.hidden_size"). Cheap to copy; shares ownership of the document. Every accessor
// throws Error naming file and path, what was expected and what was found.
class Json {
 public:
  // Rejects invalid UTF-8, a byte order mark, comments, trailing commas, duplicate keys, numbers
  // out of range, nesting beyond the limit. `name` heads every message.
  static Json parse(std::string_view text, const std::string& name, const JsonLimits& limits = {});
  // As parse(), under the file's path; a missing file is Error(not_found), a directory or FIFO
  // Error(bad_model), and what is no JSON at all, such as a Git LFS pointer, is named as such.
  static Json read(const std::filesystem::path& file, const JsonLimits& limits = {});

  bool is_null() const;
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_boolean() const;
  bool is_integer() const;
  bool is_number() const;

  // Objects. A null member counts as absent for find() and the *_or accessors below, because hub
  // files write null for "the default".
  std::optional<Json> find(std::string_view key) const;
  bool contains(std::string_view key) const;  // true for null members as well
  Json at(std::string_view key) const;        // absent: Error
  std::vector<std::string> keys() const;      // in file order
  // Every key with its value, null members included, in file order. Linear, where a find() for each
  // key of a large object would be quadratic.
  std::vector<std::pair<std::string, Json>> members() const;

  // Arrays.
  std::size_t size() const;  // elements of an array or members of an object
  Json operator[](std::size_t index) const;
  std::vector<Json> elements() const;

  // Values; a number is never taken from a string or a boolean.
  std::int64_t integer(std::int64_t low = INT64_MIN, std::int64_t high = INT64_MAX) const;
  double number() const;
  bool boolean() const;
  std::string string() const;
  std::vector<std::int64_t> integers(std::int64_t low = INT64_MIN,
                                     std::int64_t high = INT64_MAX) const;
  std::vector<double> numbers() const;

  std::int64_t integer_or(std::string_view key, std::int64_t fallback, std::int64_t low = INT64_MIN,
                          std::int64_t high = INT64_MAX) const;
  double number_or(std::string_view key, double fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string_or(std::string_view key, std::string fallback) const;

  // "config.json: vision_config.hidden_size"; the file alone at the root.
  std::string where() const;
  // As where(), for a member of this object, whether it is there or not.
  std::string where(std::string_view key) const;
  // Throws Error("<where>: expected <expected>, got <value>").
  [[noreturn]] void fail(const std::string& expected) const;
  // The value in short, for messages: "an object", "an array", a quoted string, a number.
  std::string got() const;

  // The whole document of which this is the root, with members set to the JSON that stands beside
  // their paths, as text indented by two; objects on a path are made where there are none, and a
  // member beside which no text stands is left out.
  using Edits = std::vector<std::pair<std::vector<std::string>, std::string>>;
  std::string with(const Edits& edits) const;

  // The value as compact JSON text.
  std::string dump() const;

 private:
  struct Document;
  Json(std::shared_ptr<const Document> document, const void* node, std::string path);
  Json child(std::string_view key, const void* node) const;

  std::shared_ptr<const Document> document_;
  const void* node_;
  std::string path_;
};

// `text` as a JSON string literal with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_literal(std::string_view text);

}  // namespace instructblip
