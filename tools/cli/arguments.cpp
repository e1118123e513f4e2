#include "cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

namespace instructblip::cli {
namespace {

constexpr std::size_t kQuotedBytes = 120;

template <typename Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number value{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Edits (one character put in, left out, replaced, or two swapped) between two words.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  std::iota(cost[0].begin(), cost[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
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
      {"KB", 1'000}, {"MB", 1'000'000}, {"GB", 1'000'000'000}};
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
  throw Failure(ExitCode::usage,
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

std::optional<std::string> nearest(std::string_view typed,
                                   const std::vector<std::string_view>& names) {
  std::string_view best;
  std::size_t fewest = typed.size() / 3 + 1;  // more edits than that are another word
  for (const std::string_view name : names) {
    // A name that was cut short is near, however much of it is missing.
    const bool cut = typed.size() >= 3 && name.starts_with(typed);
    const std::size_t edits = cut ? 1 : distance(typed, name);
    if (edits < fewest || (edits == fewest && best.empty())) {
      best = name;
      fewest = edits;
    }
  }
  if (best.empty()) return std::nullopt;
  return std::string(best);
}

}  // namespace instructblip::cli
