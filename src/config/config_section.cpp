#include "config/config_section.h"

#include <array>
#include <cmath>
#include <utility>

#include "core/errors.h"
#include "core/limits.h"

namespace instructblip {
namespace {

struct NamedActivation {
  std::string_view name;
  Activation activation;
};

// The reference's names; several spell the same function with other roundings.
constexpr std::array<NamedActivation, 12> kActivations = {{
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_new", Activation::gelu_new},
    {"gelu_fast", Activation::gelu_new},
    {"gelu_accurate", Activation::gelu_new},
    {"gelu_pytorch_tanh", Activation::gelu_new},
    {"gelu_python_tanh", Activation::gelu_new},
    {"linear", Activation::linear},
    {"quick_gelu", Activation::quick_gelu},
    {"relu", Activation::relu},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
}};

}  // namespace

std::optional<Json> ConfigSection::find(std::string_view key) const {
  return json_ ? json_->find(key) : std::nullopt;
}

bool ConfigSection::is_null(std::string_view key) const {
  return json_ && json_->contains(key) && !json_->find(key);
}

std::int64_t ConfigSection::integer(std::string_view key, std::int64_t fallback,
                                    std::int64_t high) const {
  const auto value = find(key);
  return value ? value->integer(1, high) : fallback;
}

std::int64_t ConfigSection::size(std::string_view key, std::int64_t fallback) const {
  return integer(key, fallback, limits::kSize);
}

std::int64_t ConfigSection::layers(std::string_view key, std::int64_t fallback) const {
  return integer(key, fallback, limits::kLayers);
}

std::int64_t ConfigSection::heads(std::string_view key, std::int64_t fallback) const {
  return integer(key, fallback, limits::kHeads);
}

std::int64_t ConfigSection::heads_of(std::string_view key, std::int64_t fallback,
                                     std::int64_t width) const {
  const std::int64_t count = heads(key, fallback);
  if (width % count != 0) {
    fail(key, "a divisor of hidden_size " + std::to_string(width), std::to_string(count));
  }
  return count;
}

double ConfigSection::positive(std::string_view key, double fallback) const {
  const auto value = find(key);
  if (!value) return fallback;
  if (value->number() <= 0.0) value->fail("a number above 0");
  return value->number();
}

bool ConfigSection::flag(std::string_view key, bool fallback) const {
  const auto value = find(key);
  return value ? value->boolean() : fallback;
}

std::string ConfigSection::text(std::string_view key, std::string fallback) const {
  const auto value = find(key);
  return value ? value->string() : std::move(fallback);
}

Activation ConfigSection::activation(std::string_view key, std::string fallback) const {
  return activation_named(key, text(key, std::move(fallback)));
}

Activation ConfigSection::activation_named(std::string_view key, const std::string& name) const {
  std::string known;
  for (const NamedActivation& row : kActivations) {
    if (row.name == name) return row.activation;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  unsupported(key, "activation " + quote(name) + ", expected one of " + known);
}

std::string ConfigSection::where() const {
  return where_.substr(0, where_.find_last_not_of(" .:") + 1);
}

void ConfigSection::fail(std::string_view key, const std::string& expected,
                         const std::string& got) const {
  throw Error(ErrorCode::bad_model,
              where_ + std::string(key) + ": expected " + expected + ", got " + got);
}

void ConfigSection::unsupported(std::string_view key, const std::string& what) const {
  throw Error(ErrorCode::unsupported, where_ + std::string(key) + ": " + what);
}

}  // namespace instructblip
