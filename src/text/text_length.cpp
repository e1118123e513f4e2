#include "text/text_length.h"

#include <string>

#include "core/errors.h"

namespace instructblip {
namespace {

// A setting that is a boolean or the name of a way, of which one may be none.
enum class Setting { unset, off, on };

Setting setting_of(const std::optional<Json>& config, const char* key) {
  const auto value = config ? config->find(key) : std::nullopt;
  if (!value) return Setting::unset;
  const bool on = value->is_boolean() ? value->boolean() : value->string() != "do_not_truncate";
  return on ? Setting::on : Setting::off;
}

Setting read_truncation(const std::optional<Json>& config) {
  const Setting setting = setting_of(config, "truncation");
  if (setting != Setting::on) return setting;
  const Json value = config->at("truncation");
  const std::string way = value.is_string() ? value.string() : "longest_first";
  if (way == "longest_first" || way == "only_first") return setting;
  throw Error(ErrorCode::unsupported,
              value.where() + ": expected 'longest_first' or 'only_first', got " + value.got());
}

[[noreturn]] void refuse_padding(const std::string& where) {
  throw Error(ErrorCode::unsupported,
              where + ": texts would be filled up with padding, expected a tokenizer that does not",
              "take the key out of the file");
}

// None where it stands for no limit, as numbers do that no text reaches.
std::optional<std::int64_t> tokens_of(const Json& value) {
  if (value.number() > limits::kSize) return std::nullopt;
  return value.integer(0, limits::kSize);
}

// A null in tokenizer_config.json stands, and the other file is not asked.
std::optional<std::int64_t> read_max_length(const std::optional<Json>& config,
                                            const std::optional<Json>& json) {
  const char* const key = "max_length";
  if (config && config->contains(key)) {
    const auto value = config->find(key);
    return value ? tokens_of(*value) : std::nullopt;
  }
  if (!json) return std::nullopt;
  if (const auto truncation = json->find("truncation")) {
    return tokens_of(truncation->at(key));
  }
  const auto padding = json->find("padding");
  const auto strategy = padding ? padding->find("strategy") : std::nullopt;
  if (!strategy || !strategy->is_object()) return std::nullopt;
  return tokens_of(strategy->at("Fixed"));
}

std::optional<std::int64_t> model_max_length(const std::optional<Json>& config) {
  const auto value = config ? config->find("model_max_length") : std::nullopt;
  return value ? tokens_of(*value) : std::nullopt;
}

void check_filled_up(const std::optional<Json>& config, const std::optional<Json>& json) {
  const auto padding = config->find("padding");
  const std::string way = padding->is_string() ? padding->string() : "longest";
  if (way == "do_not_pad") return;
  if (way == "max_length") refuse_padding(padding->where());
  const char* const key = "pad_to_multiple_of";
  if (config->contains(key)) {
    if (config->find(key)) refuse_padding(config->where(key));
    return;
  }
  const auto saved = json ? json->find("padding") : std::nullopt;
  if (saved && saved->find(key)) refuse_padding(saved->where(key));
}

bool cuts_beginning(const std::optional<Json>& config, const std::optional<Json>& json) {
  if (config && config->contains("truncation_side")) {
    return config->string_or("truncation_side", "right") == "left";
  }
  const auto truncation = json ? json->find("truncation") : std::nullopt;
  return truncation && truncation->string_or("direction", "Right") == "Left";
}

}  // namespace

TextLength read_own_length(const std::optional<Json>& config, const std::optional<Json>& json) {
  TextLength length;
  length.own_length = model_max_length(config);
  length.keeps_end = cuts_beginning(config, json);
  return length;
}

TextLength read_text_length(const std::optional<Json>& config, const std::optional<Json>& json) {
  TextLength length = read_own_length(config, json);
  const Setting padding = setting_of(config, "padding");
  const Setting truncation = read_truncation(config);
  if (padding == Setting::on) check_filled_up(config, json);
  const auto most = read_max_length(config, json);
  const bool cuts_to_most = truncation == Setting::on || (truncation == Setting::unset &&
                                                          padding != Setting::on);  // by any name
  if (cuts_to_most) length.tokens = most;
  length.to_own_length = truncation == Setting::on && !most;
  return length;
}

}  // namespace instructblip
