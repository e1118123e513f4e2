#include "core/json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/errors.h"
#include "core/file.h"
#include "core/foreign_file.h"
#include "core/utf8.h"

namespace instructblip {
namespace {

using Node = nlohmann::ordered_json;

// Builds the tree while it enforces what nlohmann does not: a depth limit (a deep document parses
// but overflows the stack when copied or destroyed) and unique keys (two readers may disagree on
// which of two wins).
class Builder {
 public:
  using number_integer_t = Node::number_integer_t;
  using number_unsigned_t = Node::number_unsigned_t;
  using number_float_t = Node::number_float_t;
  using string_t = Node::string_t;
  using binary_t = Node::binary_t;

  Builder(Node& root, int max_depth, std::size_t size)
      : root_(root), max_depth_(max_depth), size_(size) {}

  const std::string& fault() const { return fault_; }
  // Whether the text ended before the document did.
  bool is_cut() const { return is_cut_; }

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(number_integer_t value) { return put(value); }
  bool number_unsigned(number_unsigned_t value) { return put(value); }
  bool number_float(number_float_t value, const string_t& text) {
    if (!std::isfinite(value)) return fail("number out of range: " + printable(text));
    return put(value);
  }
  bool string(string_t& value) { return put(std::move(value)); }
  bool binary(binary_t&) { return fail("binary value"); }
  bool start_object(std::size_t) { return open(Node::object()); }
  bool start_array(std::size_t) { return open(Node::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    if (!keys_.back().insert(name).second) return fail("duplicate key " + quote(name));
    key_ = name;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) {
    std::string_view text = e.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ..."
    for (const std::string_view prefix : {"syntax error", "number overflow"}) {
      if (const auto at = text.find(prefix); at != std::string_view::npos) text.remove_prefix(at);
    }
    is_cut_ = position > size_;  // the end of the text counts as one byte more
    return fail("not valid JSON at byte " + std::to_string(position) + ": " + printable(text));
  }

 private:
  bool fail(std::string fault) {
    fault_ = std::move(fault);
    return false;
  }

  Node* attach(Node value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Node& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    // ordered_json searches linearly on operator[]; the key is known to be new, so append directly.
    auto& members = parent.get_ref<Node::object_t&>();
    members.push_back({key_, std::move(value)});
    return &members.back().second;
  }

  bool put(Node value) {
    attach(std::move(value));
    return true;
  }

  bool open(Node container) {
    if (static_cast<int>(open_.size()) >= max_depth_) {
      return fail("nested deeper than " + std::to_string(max_depth_) + " levels");
    }
    open_.push_back(attach(std::move(container)));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  Node& root_;
  int max_depth_;
  std::size_t size_;  // bytes of the text
  std::vector<Node*> open_;
  std::vector<std::set<std::string>> keys_;
  std::string key_;
  std::string fault_;
  bool is_cut_ = false;
};

// UTF-16 as editors and PowerShell write it: with a byte order mark, or the second byte of the
// first character or the first one NUL.
bool is_utf16(std::string_view text) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return true;
  return text.size() >= 2 && (text[0] == '\0') != (text[1] == '\0');
}

// What the reference refuses too, whose reader takes UTF-8 alone, and without a mark.
void refuse_encoding(std::string_view text, const std::string& name, ErrorCode code) {
  constexpr const char* kSave = "save it as UTF-8 without a byte order mark";
  if (is_utf16(text)) throw Error(code, name + ": not valid JSON: UTF-16, expected UTF-8", kSave);
  if (const auto offset = utf8::find_invalid(text)) {
    throw Error(code, name + ": not valid UTF-8 at byte " + std::to_string(*offset), kSave);
  }
  // nlohmann skips a byte order mark and takes NUL for the end of the document.
  if (text.starts_with("\xEF\xBB\xBF")) {
    throw Error(code, name + ": not valid JSON: starts with a byte order mark", kSave);
  }
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    throw Error(code, name + ": not valid JSON: NUL at byte " + std::to_string(nul),
                "the file is damaged: download or save it once more");
  }
}

const Node& as_node(const void* node) { return *static_cast<const Node*>(node); }

}  // namespace

struct Json::Document {
  Node root;
  std::string name;
  ErrorCode code;
};

Json::Json(std::shared_ptr<const Document> document, const void* node, std::string path)
    : document_(std::move(document)), node_(node), path_(std::move(path)) {}

Json Json::parse(std::string_view text, const std::string& name, const JsonLimits& limits) {
  const std::string shown = printable(name);
  if (static_cast<std::int64_t>(text.size()) > limits.bytes) {
    throw Error(limits.code, shown + ": " + std::to_string(text.size()) +
                                 " bytes, expected at most " + std::to_string(limits.bytes));
  }
  refuse_encoding(text, shown, limits.code);
  auto document = std::make_shared<Document>();
  document->name = shown;
  document->code = limits.code;
  Builder builder(document->root, limits.depth, text.size());
  if (!Node::sax_parse(text, &builder)) {
    throw Error(
        limits.code, shown + ": " + builder.fault(),
        builder.is_cut() ? "the file is cut short or empty: download or save it once more" : "");
  }
  const void* root = &document->root;
  return Json(std::move(document), root, "");
}

Json Json::read(const std::filesystem::path& file, const JsonLimits& limits) {
  const std::string content = read_file(file, limits.bytes, limits.code);
  refuse_foreign(recognise_foreign_or_weights(content), file.string(), "JSON", limits.code);
  return parse(content, file.string(), limits);
}

bool Json::is_null() const { return as_node(node_).is_null(); }
bool Json::is_object() const { return as_node(node_).is_object(); }
bool Json::is_array() const { return as_node(node_).is_array(); }
bool Json::is_string() const { return as_node(node_).is_string(); }
bool Json::is_boolean() const { return as_node(node_).is_boolean(); }
bool Json::is_integer() const { return as_node(node_).is_number_integer(); }
bool Json::is_number() const { return as_node(node_).is_number(); }

bool Json::contains(std::string_view key) const {
  if (!is_object()) fail("an object");
  return as_node(node_).contains(key);
}

std::optional<Json> Json::find(std::string_view key) const {
  if (!is_object()) fail("an object");
  const Node& node = as_node(node_);
  const auto member = node.find(key);
  if (member == node.end() || member->is_null()) return std::nullopt;
  return child(key, &*member);
}

Json Json::at(std::string_view key) const {
  if (auto member = find(key)) return *member;
  throw Error(document_->code, where(key) + ": expected a value, but the key is missing");
}

Json Json::child(std::string_view key, const void* node) const {
  const std::string name = printable(key);
  return Json(document_, node, path_.empty() ? name : path_ + "." + name);
}

std::vector<std::pair<std::string, Json>> Json::members() const {
  if (!is_object()) fail("an object");
  std::vector<std::pair<std::string, Json>> out;
  out.reserve(size());
  for (const auto& [key, value] : as_node(node_).items()) out.emplace_back(key, child(key, &value));
  return out;
}

std::vector<std::string> Json::keys() const {
  if (!is_object()) fail("an object");
  std::vector<std::string> out;
  for (const auto& [key, value] : as_node(node_).items()) out.push_back(key);
  return out;
}

std::size_t Json::size() const {
  if (!is_object() && !is_array()) fail("an array or an object");
  return as_node(node_).size();
}

Json Json::operator[](std::size_t index) const {
  if (!is_array()) fail("an array");
  if (index >= size()) fail("an array of more than " + std::to_string(index) + " elements");
  return Json(document_, &as_node(node_)[index], path_ + "[" + std::to_string(index) + "]");
}

std::vector<Json> Json::elements() const {
  if (!is_array()) fail("an array");
  std::vector<Json> out;
  out.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) out.push_back((*this)[i]);
  return out;
}

std::int64_t Json::integer(std::int64_t low, std::int64_t high) const {
  const auto expected = [&]() -> std::string {
    if (low == INT64_MIN && high == INT64_MAX) return "an integer";
    return "an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]";
  };
  const Node& node = as_node(node_);
  if (!node.is_number_integer()) fail(expected());
  if (node.is_number_unsigned() && node.get<std::uint64_t>() > INT64_MAX) fail(expected());
  const auto value = node.get<std::int64_t>();
  if (value < low || value > high) fail(expected());
  return value;
}

double Json::number() const {
  if (!is_number()) fail("a number");
  return as_node(node_).get<double>();
}

bool Json::boolean() const {
  if (!is_boolean()) fail("true or false");
  return as_node(node_).get<bool>();
}

std::string Json::string() const {
  if (!is_string()) fail("a string");
  return as_node(node_).get<std::string>();
}

std::vector<std::int64_t> Json::integers(std::int64_t low, std::int64_t high) const {
  std::vector<std::int64_t> out;
  for (const Json& element : elements()) out.push_back(element.integer(low, high));
  return out;
}

std::vector<double> Json::numbers() const {
  std::vector<double> out;
  for (const Json& element : elements()) out.push_back(element.number());
  return out;
}

std::int64_t Json::integer_or(std::string_view key, std::int64_t fallback, std::int64_t low,
                              std::int64_t high) const {
  const auto member = find(key);
  return member ? member->integer(low, high) : fallback;
}

double Json::number_or(std::string_view key, double fallback) const {
  const auto member = find(key);
  return member ? member->number() : fallback;
}

bool Json::boolean_or(std::string_view key, bool fallback) const {
  const auto member = find(key);
  return member ? member->boolean() : fallback;
}

std::string Json::string_or(std::string_view key, std::string fallback) const {
  const auto member = find(key);
  return member ? member->string() : std::move(fallback);
}

std::string Json::where() const {
  return path_.empty() ? document_->name : document_->name + ": " + path_;
}

std::string Json::where(std::string_view key) const {
  return where() + (path_.empty() ? ": " : ".") + printable(key);
}

std::string Json::got() const {
  const Node& node = as_node(node_);
  if (node.is_object()) return "an object";
  if (node.is_array()) return "an array";
  if (node.is_string()) return quote(node.get_ref<const std::string&>());
  return node.dump();
}

void Json::fail(const std::string& expected) const {
  throw Error(document_->code, where() + ": expected " + expected + ", got " + got());
}

std::string Json::with(const Edits& edits) const {
  Node root = as_node(node_);
  for (const auto& [path, text] : edits) {
    Node* parent = nullptr;
    Node* place = &root;
    for (const std::string& key : path) {
      if (!place->is_object() && !place->is_null()) fail("an object on the path to " + quote(key));
      parent = place;
      place = &(*place)[key];
    }
    if (!text.empty()) {
      *place = Node::parse(text);
    } else if (parent != nullptr) {
      parent->erase(path.back());
    }
  }
  return root.dump(2) + "\n";
}

std::string Json::dump() const { return as_node(node_).dump(); }

std::string json_literal(std::string_view text) {
  return Node(std::string(text)).dump(-1, ' ', false, Node::error_handler_t::replace);
}

}  // namespace instructblip
