#include "config/window_config.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/limits.h"

namespace instructblip {
namespace {

// As the reference's cache_utils.py asks: 0 is none of the one, not of the other.
std::optional<std::int64_t> read_size(const ConfigSection& text, std::string_view key,
                                      bool zero_is_none) {
  const auto value = text.find(key);
  if (!value) return std::nullopt;
  if (zero_is_none && value->is_integer() && value->integer() == 0) return std::nullopt;
  return value->integer(1, limits::kSize);
}

// Which layers have a window; none where layer_types says nothing.
std::optional<bool> has_sliding_layers(const ConfigSection& text, std::int64_t layers) {
  const auto types = text.find("layer_types");
  if (!types) return std::nullopt;
  if (!types->is_array()) types->fail("an array of texts");
  if (types->size() == 0) return false;
  if (static_cast<std::int64_t>(types->size()) < layers) {
    text.fail("layer_types", "one for each of " + std::to_string(layers) + " layers",
              std::to_string(types->size()));
  }
  const std::vector<Json> all = types->elements();
  return std::any_of(all.begin(), all.begin() + layers, [](const Json& type) {
    return type.string() == "sliding_attention" || type.string() == "chunked_attention";
  });
}

}  // namespace

std::optional<std::int64_t> read_window(const ConfigSection& text, std::int64_t layers,
                                        WindowMask mask, std::optional<std::int64_t> fallback) {
  constexpr const char* kShared = "num_kv_shared_layers";
  const auto shared = text.find(kShared);
  if (text.is_null(kShared) || (shared && shared->integer() != 0)) {
    text.unsupported(kShared, "layers that share their keys and values, expected none");
  }
  constexpr const char* kSliding = "sliding_window";
  std::optional<std::int64_t> sliding = read_size(text, kSliding, mask == WindowMask::none);
  if (!sliding && !text.is_null(kSliding) && !text.find(kSliding)) sliding = fallback;
  const std::optional<std::int64_t> window =
      sliding ? sliding : read_size(text, "attention_chunk_size", /*zero_is_none=*/false);
  const std::optional<bool> slides = has_sliding_layers(text, layers);
  if (slides == true && !window) {
    text.fail(kSliding, "the window of the layers that layer_types calls sliding", "none");
  }
  if (slides != false) return window;
  return mask == WindowMask::sliding ? sliding : std::nullopt;
}

void refuse_window(const ConfigSection& text, std::int64_t layers) {
  // No prompt and its answer are longer.
  constexpr std::int64_t kFar = limits::kTiledPromptTokens + limits::kNewTokens;
  const auto window = read_window(text, layers, WindowMask::none);
  if (!window || *window >= kFar) return;
  text.unsupported("sliding_window", "a window of " + std::to_string(*window) +
                                         " positions in this kind of language model, expected "
                                         "none");
}

}  // namespace instructblip
