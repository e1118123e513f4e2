#include "text/chat_template.h"

#include <algorithm>
#include <system_error>

#include "core/errors.h"
#include "core/file.h"
#include "core/foreign_file.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/tokenizer_settings.h"

namespace instructblip {

struct ChatTemplate::Parsed {
  jinja::Body body;
};

namespace {

namespace fs = std::filesystem;
using jinja::Value;

constexpr const char* kHint =
    "ask with the whole prompt: the words around the question as the model was trained with them, "
    "and <image> where the picture stands";

Error refusal(const std::string& message) { return {ErrorCode::unsupported, message, kHint}; }

// Where a template was found: its text, or why the reference takes none.
struct Found {
  std::string file;  // in its directory
  std::string source = {};
  std::optional<Error> fault = {};
};

Found unusable(const fs::path& directory, const std::string& file, const std::string& message) {
  return {.file = file, .fault = refusal((directory / file).string() + ": " + message)};
}

// Where several templates stand under names, the last of each name counts.
std::optional<std::string> default_of(const Json& value, bool takes_list) {
  std::optional<Json> found;
  if (value.is_object()) found = value.find("default");
  if (value.is_array() && takes_list) {
    for (const Json& entry : value.elements()) {
      if (entry.is_object() && entry.string_or("name", "") == "default") {
        found = entry.find("template");
      }
    }
  }
  return found && found->is_string() ? std::optional(found->string()) : std::nullopt;
}

// A text, or several under names: a dict, and a list for the tokenizer, which makes a dict of it.
// Null, and for the processor an empty text, are as good as none.
std::optional<Found> from_json(const fs::path& directory, const std::string& file,
                               const std::optional<Json>& value, ChatTemplate::Of of) {
  const bool is_tokenizer = of == ChatTemplate::Of::tokenizer;
  if (!value) return std::nullopt;
  if (value->is_string()) {
    if (value->string().empty() && !is_tokenizer) return std::nullopt;
    return Found{.file = file, .source = value->string()};
  }
  if (auto source = default_of(*value, is_tokenizer)) return Found{.file = file, .source = *source};
  return unusable(directory, file,
                  std::string("chat_template: expected a text, or a dict ") +
                      (is_tokenizer ? "or list " : "") +
                      "of several of which one is called default, got " + value->got());
}

// Templates in files of their own beside chat_template.jinja.
std::vector<fs::path> more_templates(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(directory / "chat_templates", error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".jinja") files.push_back(it->path());
  }
  return files;
}

// None for an empty one.
std::optional<Found> from_file(const fs::path& directory, const std::string& file) {
  const fs::path path = directory / file;
  Found found{.file = file,
              .source = read_file(path, limits::kTemplateBytes, ErrorCode::bad_model)};
  if (found.source.empty()) return std::nullopt;
  if (const auto foreign = recognise_foreign_or_weights(found.source)) {
    found.fault = Error(ErrorCode::bad_model,
                        path.string() + ": " + foreign->what + ", expected a chat template",
                        foreign->hint + "; or ask with the whole prompt, <image> in it");
  } else if (utf8::find_invalid(found.source)) {
    found.fault = refusal(path.string() + ": expected a chat template in UTF-8");
  }
  return found;
}

std::optional<Found> find_in_files(const fs::path& directory) {
  constexpr const char* kLegacy = "chat_template.json";
  constexpr const char* kFile = "chat_template.jinja";
  const std::vector<fs::path> more = more_templates(directory);
  if (is_present(directory / kLegacy)) {
    if (!more.empty()) {
      return unusable(directory, kLegacy, "stands beside chat_templates/, expected one of the two");
    }
    const Json json = Json::read(directory / kLegacy);
    if (!json.is_object() || !json.contains("chat_template")) {
      return unusable(directory, kLegacy, "expected an object with chat_template");
    }
    return from_json(directory, kLegacy, json.find("chat_template"), ChatTemplate::Of::processor);
  }
  if (is_present(directory / kFile)) return from_file(directory, kFile);
  if (more.empty()) return std::nullopt;
  const bool has_default =
      std::ranges::any_of(more, [](const fs::path& file) { return file.stem() == "default"; });
  if (!has_default) return unusable(directory, "chat_templates", "has no default.jinja");
  return from_file(directory, "chat_templates/default.jinja");
}

std::optional<Found> find_in_settings(const fs::path& directory, const char* file,
                                      ChatTemplate::Of of) {
  if (!is_present(directory / file)) return std::nullopt;
  const Json json = Json::read(directory / file);
  return from_json(directory, file, json.is_object() ? json.find("chat_template") : std::nullopt,
                   of);
}

Value message_of(ChatTemplate::Of of, std::string_view question) {
  jinja::Dict message;
  message.set("role", Value::of(std::string("user")));
  if (of == ChatTemplate::Of::tokenizer) {
    message.set("content", Value::of("<image>\n" + std::string(question)));
    return Value::of(std::move(message));
  }
  jinja::Dict image;
  image.set("type", Value::of(std::string("image")));
  jinja::Dict text;
  text.set("type", Value::of(std::string("text")));
  text.set("text", Value::of(std::string(question)));
  message.set("content",
              Value::of(jinja::List{Value::of(std::move(image)), Value::of(std::move(text))}));
  return Value::of(std::move(message));
}

}  // namespace

std::optional<ChatTemplate> ChatTemplate::read(const fs::path& directory, Of of,
                                               TokenizerKind kind) {
  std::optional<Found> found;
  if (of == Of::processor) {
    found = find_in_files(directory);
    if (!found) found = find_in_settings(directory, "processor_config.json", of);
  } else {
    found = find_in_settings(directory, "tokenizer_config.json", of);
  }
  if (!found) return std::nullopt;
  ChatTemplate result(of, found->file, (directory / found->file).string());
  result.fault_ = found->fault;
  const TokenizerSettings settings = read_tokenizer_settings(directory, kind, std::nullopt);
  for (const auto& [key, token] : settings.named) result.tokens_.emplace_back(key, token.content);
  for (const TokenSpec& token : settings.more_special) {
    result.more_tokens_.push_back(token.content);
  }
  result.begin_token_ = settings.named_or("bos_token", "");
  if (!result.fault_) result.parse(found->source);
  return result;
}

void ChatTemplate::parse(std::string_view source) {
  try {
    parsed_ = std::make_shared<const Parsed>(Parsed{jinja::parse(source)});
  } catch (const Error& error) {
    fault_ = refusal(path_ + ": the chat template, " + error.what());
  }
}

std::string ChatTemplate::prompt(std::string_view question) const {
  if (fault_) throw *fault_;
  std::vector<std::pair<std::string, Value>> variables = {
      {"messages", Value::of(jinja::List{message_of(of_, question)})},
      {"tools", Value::none()},
      {"documents", Value::none()},
      {"add_generation_prompt", Value::of(true)}};
  for (const auto& [key, token] : tokens_) variables.emplace_back(key, Value::of(token));
  if (!more_tokens_.empty()) {
    jinja::List more;
    for (const std::string& token : more_tokens_) more.push_back(Value::of(token));
    variables.emplace_back("additional_special_tokens", Value::of(std::move(more)));
  }
  try {
    return jinja::run(parsed_->body, std::move(variables));
  } catch (const Error& error) {
    throw refusal(path_ + ": the chat template, " + error.what());
  }
}

}  // namespace instructblip
