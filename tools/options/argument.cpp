#include "options/argument.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "instructblip/error.h"

namespace instructblip::options {
namespace {

constexpr std::size_t kQuotedBytes = 120;

template <typename Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number value{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string Argument::path() const {
  if (text_.empty()) fail("a path");
  return std::string(text_);
}

int Argument::integer() const {
  if (const auto value = parse_whole<int>(text_)) return *value;
  fail("an integer");
}

std::int64_t Argument::count() const {
  const auto value = parse_whole<std::int64_t>(text_);
  if (value && *value >= 1) return *value;
  fail("an integer of at least 1");
}

std::uint64_t Argument::unsigned_integer() const {
  if (const auto value = parse_whole<std::uint64_t>(text_)) return *value;
  fail("an integer from 0 to " + std::to_string(std::numeric_limits<std::uint64_t>::max()));
}

double Argument::number() const {
  const auto value = parse_whole<double>(text_);
  if (value && std::isfinite(*value)) return *value;
  fail("a number");
}

std::int64_t Argument::bytes(std::int64_t least) const {
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"KB", 1'000},    {"MB", 1'000'000}, {"GB", 1'000'000'000},
      {"KiB", 1 << 10}, {"MiB", 1 << 20},  {"GiB", 1 << 30}};
  std::string_view digits = text_;
  std::int64_t unit = 1;
  for (const auto& [name, factor] : kUnits) {
    if (!digits.ends_with(name)) continue;
    digits.remove_suffix(name.size());
    unit = factor;
    break;
  }
  const auto count = parse_whole<std::int64_t>(digits);
  if (count && *count >= least && *count <= std::numeric_limits<std::int64_t>::max() / unit) {
    return *count * unit;
  }
  fail("a number of bytes" + std::string(least > 0 ? " above 0" : "") + ", such as 500MB or 4GB");
}

std::vector<std::int32_t> Argument::token_ids() const {
  std::vector<std::int32_t> ids;
  if (text_ == "none") return ids;
  std::string_view rest = text_;
  while (true) {
    const std::size_t comma = rest.find(',');
    const auto id = parse_whole<std::int32_t>(rest.substr(0, comma));
    if (!id) fail("token ids with commas between them, such as 306,626, or none");
    ids.push_back(*id);
    if (comma == std::string_view::npos) return ids;
    rest.remove_prefix(comma + 1);
  }
}

std::vector<Argument> Argument::parts() const {
  std::vector<Argument> parts;
  std::string_view rest = text_;
  while (true) {
    const std::size_t comma = rest.find(',');
    parts.emplace_back(option_, rest.substr(0, comma));
    if (parts.back().text_.empty()) fail("values with commas between them");
    if (comma == std::string_view::npos) return parts;
    rest.remove_prefix(comma + 1);
  }
}

bool Argument::boolean() const { return one_of<bool>({{"true", true}, {"false", false}}); }

void Argument::fail(const std::string& expected) const {
  throw Error(ErrorCode::invalid_argument,
              std::string(option_) + ": expected " + expected + ", got " + quote(text_));
}

void Argument::fail_choice(const std::vector<std::string_view>& names) const {
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) list += i + 1 < names.size() ? ", " : " or ";
    list += names[i];
  }
  fail(list);
}

std::string quote(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, kQuotedBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out + (text.size() > kQuotedBytes ? "..." : "") + "'";
}

}  // namespace instructblip::options
