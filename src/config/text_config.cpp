#include "config/text_config.h"

#include <array>
#include <string>

#include "config/language_families.h"
#include "core/errors.h"

namespace instructblip {
namespace {

struct LanguageFamily {
  std::string_view model_type;
  TextConfig (*read)(const ConfigSection&, Writer);
};

constexpr std::array<LanguageFamily, 5> kFamilies = {{
    {"llama", read_llama},
    {"mistral", read_mistral},
    {"mt5", read_mt5},
    {"opt", read_opt},
    {"t5", read_t5},
}};

}  // namespace

Writer writer_of(const ConfigSection& root) {
  const std::string version = root.text("transformers_version", "");
  return version.starts_with("5.") ? Writer::transformers_5 : Writer::transformers_4;
}

TextConfig read_text_config(const ConfigSection& text, Writer writer, const std::string& fallback) {
  const std::string model_type = text.text("model_type", fallback);
  std::string known;
  for (const LanguageFamily& family : kFamilies) {
    if (family.model_type == model_type) {
      TextConfig config = family.read(text, writer);
      // T5's table is made without.
      if (!std::holds_alternative<T5Config>(config.model)) check_padding(text, config.vocabulary);
      return config;
    }
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  text.unsupported("model_type",
                   "language model " + quote(model_type) + ", expected one of " + known);
}

}  // namespace instructblip
