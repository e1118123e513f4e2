#include "report/explanation_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "core/boundary.h"
#include "core/json.h"

namespace instructblip {
namespace {

template <typename Value>
void append_field(std::string_view key, const Value& value, std::string& out) {
  append_key(key, out);
  if constexpr (std::is_arithmetic_v<Value>) {
    append_number(static_cast<double>(value), out);
  } else {
    append_numbers(value, out);
  }
  out += ',';
}

void append_text_field(std::string_view key, const std::string& text, std::string& out) {
  append_key(key, out);
  out += json_literal(text) + ",";
}

void append_picture(const PictureAttention& picture, std::string& out) {
  out += "{\"region\":{";
  append_field("left", picture.region.left, out);
  append_field("top", picture.region.top, out);
  append_field("width", picture.region.width, out);
  append_field("height", picture.region.height, out);
  out.back() = '}';
  out += ',';
  append_field("cross", picture.cross, out);
  append_field("rollout", picture.rollout, out);
  out.back() = '}';
}

void append_scored(const ScoredAnswer& scored, std::string& out) {
  append_key("scored", out);
  out += '{';
  append_field("tokens", scored.tokens, out);
  append_key("pieces", out);
  append_texts(scored.pieces, out);
  out += ',';
  append_field("logprobs", scored.logprobs, out);
  append_field("sum", scored.sum, out);
  append_field("mean", scored.mean, out);
  append_field("perplexity", scored.perplexity, out);
  out.back() = '}';
  out += ',';
}

}  // namespace

void append_number(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                 std::chars_format::general, 6)
                       .ptr;
  out.append(digits.data(), end);
}

void append_key(std::string_view key, std::string& out) {
  out += '"';
  out += key;
  out += "\":";
}

void append_texts(const std::vector<std::string>& texts, std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    out += json_literal(texts[i]);
  }
  out += ']';
}

std::string to_json(const Explanation& explanation) {
  return at_boundary([&] {
    std::string out = "{";
    append_text_field("instruction", explanation.instruction, out);
    append_text_field("answer", explanation.answer, out);
    append_field("layers", explanation.layers, out);
    append_field("heads", explanation.heads, out);
    append_field("queries", explanation.queries, out);
    append_field("text_tokens", explanation.text_tokens, out);
    append_field("positions", explanation.positions, out);
    append_field("cross_layers", explanation.cross_layers, out);
    append_field("grid_rows", explanation.grid_rows, out);
    append_field("grid_columns", explanation.grid_columns, out);
    append_scored(explanation.scored, out);
    append_field("relevance", explanation.relevance, out);
    append_field("gradcam", explanation.gradcam, out);
    append_key("pictures", out);
    out += '[';
    for (std::size_t i = 0; i < explanation.pictures.size(); ++i) {
      if (i > 0) out += ',';
      append_picture(explanation.pictures[i], out);
    }
    return out + "]}";
  });
}

}  // namespace instructblip
