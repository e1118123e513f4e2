#include "text/chat_template.h"

#include <algorithm>
#include <system_error>

#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/limits.h"
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
  std::string file;
  std::string source = {};
  std::optional<Error> fault = {};
};

Found unusable(const std::string& file, const std::string& message) {
  return {.file = file, .fault = refusal(file + ": " + message)};
}

// A text, or a dict or list of named ones of which `default` is taken.
Found from_json(const std::string& file, const Json& value, bool named_list) {
  if (value.is_string()) return {.file = file, .source = value.string()};
  if (value.is_object() && !named_list) {
    const auto found = value.find("default");
    if (found && found->is_string()) return {.file = file, .source = found->string()};
  }
  if (value.is_array() && named_list) {
    for (const Json& entry : value.elements()) {
      if (entry.is_object() && entry.string_or("name", "") == "default") {
        return {.file = file, .source = entry.at("template").string()};
      }
    }
  }
  return unusable(file,
                  "chat_template: expected a text, or several of which one is called default");
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

std::string source_of(const fs::path& file) {
  return read_file(file, limits::kTemplateBytes, ErrorCode::bad_model);
}

std::optional<Found> find_in_files(const fs::path& directory) {
  constexpr const char* kLegacy = "chat_template.json";
  constexpr const char* kFile = "chat_template.jinja";
  const std::vector<fs::path> more = more_templates(directory);
  if (is_present(directory / kLegacy)) {
    if (!more.empty()) {
      return unusable(kLegacy, "stands beside chat_templates/, expected one of the two");
    }
    const Json json = Json::read(directory / kLegacy);
    if (const auto value = json.find("chat_template"); value && value->is_string()) {
      return Found{.file = kLegacy, .source = value->string()};
    }
    return unusable(kLegacy, "expected a text as its chat_template");
  }
  if (is_present(directory / kFile)) {
    return Found{.file = kFile, .source = source_of(directory / kFile)};
  }
  if (more.empty()) return std::nullopt;
  const auto found =
      std::ranges::find_if(more, [](const fs::path& file) { return file.stem() == "default"; });
  if (found == more.end()) return unusable("chat_templates", "has no default.jinja");
  return Found{.file = "chat_templates/default.jinja", .source = source_of(*found)};
}

std::optional<Found> find_in_settings(const fs::path& directory, const char* file,
                                      bool named_list) {
  if (!is_present(directory / file)) return std::nullopt;
  const Json json = Json::read(directory / file);
  const auto value = json.is_object() ? json.find("chat_template") : std::nullopt;
  if (!value) return std::nullopt;
  return from_json(file, *value, named_list);
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
    if (!found) found = find_in_settings(directory, "processor_config.json", /*named_list=*/false);
  } else {
    found = find_in_settings(directory, "tokenizer_config.json", /*named_list=*/true);
  }
  if (!found) return std::nullopt;
  ChatTemplate result(of, found->file);
  result.fault_ = found->fault;
  const TokenizerSettings settings = read_tokenizer_settings(directory, kind, std::nullopt);
  for (const auto& [key, token] : settings.named) result.tokens_.emplace_back(key, token.content);
  result.begin_token_ = settings.named_or("bos_token", "");
  if (!result.fault_) result.parse(found->source);
  return result;
}

void ChatTemplate::parse(std::string_view source) {
  try {
    parsed_ = std::make_shared<const Parsed>(Parsed{jinja::parse(source)});
  } catch (const Error& error) {
    fault_ = refusal(file_ + ": the chat template, " + error.what());
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
  try {
    return jinja::run(parsed_->body, std::move(variables));
  } catch (const Error& error) {
    throw refusal(file_ + ": the chat template, " + error.what());
  }
}

}  // namespace instructblip
