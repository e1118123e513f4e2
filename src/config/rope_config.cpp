#include "config/rope_config.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/errors.h"
#include "core/limits.h"

namespace instructblip {
namespace {

using Type = RopeScaling::Type;

struct NamedType {
  std::string_view name;
  Type type;
};

constexpr std::array<NamedType, 4> kTypes = {{{"default", Type::none},
                                              {"linear", Type::linear},
                                              {"dynamic", Type::dynamic},
                                              {"llama3", Type::llama3}}};

// transformers 4 had the name of the type under "type" at first: its LLaMA copies that over
// "rope_type", whereas its Mistral and all of version 5 look there only where that is missing.
std::optional<Json> type_of(const ConfigSection& text, Writer writer, const Json& rope) {
  const bool older_first =
      writer == Writer::transformers_4 && text.text("model_type", "llama") == "llama";
  const char* const first = older_first ? "type" : "rope_type";
  const auto type = rope.find(first);
  return type ? type : rope.find(older_first ? "rope_type" : "type");
}

Type read_type(const ConfigSection& text, Writer writer, const Json& rope) {
  const auto name = type_of(text, writer, rope);
  if (!name) {
    // Other numbers mean that some scaling is meant.
    if (rope.find("factor")) rope.fail("\"rope_type\", which says what \"factor\" is for");
    return Type::none;
  }
  std::string known;
  for (const NamedType& entry : kTypes) {
    if (entry.name == name->string()) return entry.type;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw Error(ErrorCode::unsupported, name->where() + ": rotary positions of type " +
                                          quote(name->string()) + ", expected one of " + known);
}

double positive(const Json& rope, std::string_view key) {
  const Json value = rope.at(key);
  if (value.number() <= 0.0) value.fail("a number above 0");
  return value.number();
}

std::int64_t original_positions(const ConfigSection& text, Writer writer, const Json& rope,
                                std::int64_t max_positions) {
  constexpr std::string_view kKey = "original_max_position_embeddings";
  if (writer == Writer::transformers_5) {
    if (text.find(kKey)) return text.size(kKey, max_positions);
    if (!rope.find(kKey)) return max_positions;
  }
  return rope.at(kKey).integer(1, limits::kSize);
}

RopeScaling read_scaling(const ConfigSection& text, Writer writer, const Json& rope,
                         const LlamaConfig& config) {
  RopeScaling scaling{.type = read_type(text, writer, rope)};
  if (scaling.type == Type::none) return scaling;
  scaling.factor = positive(rope, "factor");
  if (scaling.type == Type::linear && scaling.factor == 1.0) return {};
  if (scaling.type == Type::dynamic) {
    scaling.original_positions = config.max_positions;
    if (config.head_dim == 2) {
      rope.fail("another type than \"dynamic\", whose exponent is infinite for heads of width 2");
    }
  }
  if (scaling.type == Type::llama3) {
    scaling.low_factor = positive(rope, "low_freq_factor");
    scaling.high_factor = positive(rope, "high_freq_factor");
    scaling.original_positions = original_positions(text, writer, rope, config.max_positions);
  }
  return scaling;
}

}  // namespace

void read_rope(const ConfigSection& text, Writer writer, LlamaConfig& config) {
  config.rope_theta = text.positive("rope_theta", config.rope_theta);
  const auto parameters = text.find("rope_parameters");
  auto rope = text.find("rope_scaling");
  if (!rope || (rope->is_object() && rope->size() == 0)) rope = parameters;
  if (text.positive("partial_rotary_factor", 1.0) != 1.0) {
    text.unsupported("partial_rotary_factor", "rotary positions on a part of each head");
  }
  if (!rope) return;
  if (!rope->is_object()) rope->fail("an object");
  const auto part = rope->find("partial_rotary_factor");
  if (part && part->number() != 1.0) {
    throw Error(ErrorCode::unsupported,
                part->where() + ": rotary positions on a part of each head");
  }
  // transformers 4 reads the base where it always was.
  const bool theta_inside = writer == Writer::transformers_5 || !text.find("rope_scaling");
  if (theta_inside && rope->find("rope_theta")) config.rope_theta = positive(*rope, "rope_theta");
  config.rope_scaling = read_scaling(text, writer, *rope, config);
}

}  // namespace instructblip
