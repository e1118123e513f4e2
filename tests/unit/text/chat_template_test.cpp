// Chat templates against the reference's rendering of them, and what is refused by name.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "core/json.h"
#include "support/temp_directory.h"
#include "text/jinja/interpreter.h"

namespace instructblip {
namespace {

using test::TempDirectory;
using Of = ChatTemplate::Of;

constexpr const char* kTokens =
    R"("bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>","pad_token":"<pad>")";

std::string settings(const std::string& more = {}) {
  return "{\"tokenizer_class\":\"LlamaTokenizer\"," + std::string(kTokens) + more + "}";
}

std::optional<ChatTemplate> read(const TempDirectory& directory, Of of = Of::processor) {
  return ChatTemplate::read(directory.path(), of, TokenizerKind::llama);
}

ChatTemplate of_source(const std::string& source) {
  const TempDirectory directory;
  directory.write("tokenizer_config.json", settings());
  directory.write("chat_template.jinja", source);
  return read(directory).value();
}

Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "expected an Error";
  return {ErrorCode::internal, ""};
}

jinja::Value value_of(const Json& json) {
  if (json.is_string()) return jinja::Value::of(json.string());
  if (json.is_boolean()) return jinja::Value::of(json.boolean());
  if (json.is_integer()) return jinja::Value::of(json.integer());
  if (json.is_number()) return jinja::Value::of(json.number());
  if (json.is_array()) {
    jinja::List list;
    for (const Json& item : json.elements()) list.push_back(value_of(item));
    return jinja::Value::of(std::move(list));
  }
  if (json.is_null()) return jinja::Value::none();
  jinja::Dict dict;
  for (const auto& [key, member] : json.members()) dict.set(key, value_of(member));
  return jinja::Value::of(std::move(dict));
}

std::vector<std::pair<std::string, jinja::Value>> variables_of(const Json& json) {
  std::vector<std::pair<std::string, jinja::Value>> variables;
  for (const auto& [name, value] : json.members()) variables.emplace_back(name, value_of(value));
  return variables;
}

// What the template makes of them, or nothing.
std::optional<std::string> rendered(const std::string& source, const Json& variables) {
  try {
    return jinja::run(jinja::parse(source), variables_of(variables));
  } catch (const Error&) {
    return std::nullopt;
  }
}

// INSTRUCTBLIP_CHAT_GOLDENS: another file of make_chat_goldens.py --templates, of any size.
TEST(ChatTemplate, WholeConversationsAreThoseOfTheReference) {
  constexpr std::int64_t kBytes = 1 << 30;
  const char* const other = std::getenv("INSTRUCTBLIP_CHAT_GOLDENS");
  const std::filesystem::path stored =
      std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/text/chat_conversations.json";
  const Json goldens = Json::read(other != nullptr ? other : stored, {.bytes = kBytes});
  const std::vector<Json> variables = goldens.at("variables").elements();
  int compared = 0;
  for (const Json& golden : goldens.at("templates").elements()) {
    const std::string source = golden.at("template").string();
    const Json prompts = golden.at("prompts");
    for (std::size_t i = 0; i < variables.size(); ++i) {
      if (prompts[i].is_null()) continue;
      EXPECT_EQ(rendered(source, variables[i]), prompts[i].string())
          << golden.at("name").string() << ", conversation " << i;
      ++compared;
    }
  }
  EXPECT_GT(compared, 200);
}

TEST(ChatTemplate, PromptsAreThoseOfTheReference) {
  const Json goldens = Json::read(std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) /
                                  "tests/golden/text/chat_goldens.json");
  int rendered = 0, refused = 0;
  for (const Json& golden : goldens.elements()) {
    SCOPED_TRACE(golden.at("name").string() + ": " + golden.at("template").string());
    const TempDirectory directory;
    const std::string source = golden.at("template").string();
    const bool tokenizer = golden.at("tokenizer").boolean();
    directory.write("tokenizer_config.json",
                    settings(tokenizer ? ",\"chat_template\":" + json_literal(source) : ""));
    if (!tokenizer) directory.write("chat_template.jinja", source);
    const ChatTemplate chat = read(directory, tokenizer ? Of::tokenizer : Of::processor).value();
    const std::string question = golden.at("question").string();
    if (const auto prompt = golden.find("prompt")) {
      EXPECT_EQ(chat.prompt(question), prompt->string());
      ++rendered;
    } else {
      EXPECT_THROW(chat.prompt(question), Error);
      ++refused;
    }
  }
  EXPECT_GT(rendered, 100);
  EXPECT_GT(refused, 15);
}

TEST(ChatTemplate, FilesComeInTheReferencesOrder) {
  const TempDirectory directory;
  directory.write("tokenizer_config.json", settings(R"(,"chat_template":"of the tokenizer")"));
  EXPECT_FALSE(read(directory).has_value());
  EXPECT_EQ(read(directory, Of::tokenizer)->prompt("?"), "of the tokenizer");
  directory.write("processor_config.json", R"({"chat_template":"of the settings"})");
  EXPECT_EQ(read(directory)->prompt("?"), "of the settings");
  directory.write("processor_config.json", R"({"chat_template":{"default":"named","tool":"x"}})");
  EXPECT_EQ(read(directory)->prompt("?"), "named");
  directory.write("chat_template.jinja", "of the file");
  EXPECT_EQ(read(directory)->prompt("?"), "of the file");
  EXPECT_EQ(read(directory)->file(), "chat_template.jinja");
  directory.write("chat_template.json", R"({"chat_template":"of the old file"})");
  EXPECT_EQ(read(directory)->prompt("?"), "of the old file");
  EXPECT_EQ(read(directory)->file(), "chat_template.json");
}

TEST(ChatTemplate, NamedTemplatesOfATokenizer) {
  const TempDirectory directory;
  directory.write("tokenizer_config.json",
                  settings(R"(,"chat_template":[{"name":"tool","template":"t"},)"
                           R"({"name":"default","template":"d"}])"));
  EXPECT_EQ(read(directory, Of::tokenizer)->prompt("?"), "d");
  directory.write("tokenizer_config.json",
                  settings(R"(,"chat_template":[{"name":"default","template":"first"},)"
                           R"({"name":"default","template":"last"}])"));
  EXPECT_EQ(read(directory, Of::tokenizer)->prompt("?"), "last");
  directory.write("tokenizer_config.json",
                  settings(R"(,"chat_template":{"default":"named","rag":"r"})"));
  EXPECT_EQ(read(directory, Of::tokenizer)->prompt("?"), "named");
}

// The reference makes a dict of a list for tokenizers alone; null and nothing are no templates.
TEST(ChatTemplate, NamedTemplatesOfAProcessor) {
  const TempDirectory directory;
  directory.write("tokenizer_config.json", settings());
  directory.write("processor_config.json", R"({"chat_template":"of the settings"})");
  const auto with = [&](const std::string& value) {
    directory.write("chat_template.json", R"({"chat_template":)" + value + "}");
    return read(directory)->prompt("?");
  };
  EXPECT_EQ(with(R"({"default":"named","rag":"r"})"), "named");
  EXPECT_EQ(with("null"), "of the settings");
  EXPECT_EQ(with("\"\""), "of the settings");
  for (const char* value : {R"({"rag":"r"})", R"([{"name":"default","template":"d"}])", "5"}) {
    const Error error = error_of([&] { with(value); });
    EXPECT_NE(
        std::string(error.what())
            .find((directory / "chat_template.json").string() + ": chat_template: expected a text"),
        std::string::npos)
        << error.what();
  }
  std::filesystem::remove(directory / "chat_template.json");
  std::filesystem::create_directory(directory / "chat_templates");
  directory.write("chat_templates/default.jinja", "alone");
  EXPECT_EQ(read(directory)->prompt("?"), "alone");
}

TEST(ChatTemplate, WhatIsNoTemplateIsNamed) {
  for (const auto& [content, what] :
       {std::pair("version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
                  "a Git LFS pointer"),
        std::pair("<!DOCTYPE html><html></html>", "a web page")}) {
    const TempDirectory directory;
    directory.write("tokenizer_config.json", settings());
    directory.write("chat_template.jinja", content);
    const Error error = error_of([&] { read(directory)->prompt("?"); });
    EXPECT_EQ(error.code(), ErrorCode::bad_model);
    EXPECT_NE(
        std::string(error.what()).find((directory / "chat_template.jinja").string() + ": " + what),
        std::string::npos)
        << error.what();
    EXPECT_NE(error.hint().find("whole prompt"), std::string::npos);
  }
}

TEST(ChatTemplate, FilesThatTheReferenceCannotTakeAreToldOfWhenAsked) {
  const TempDirectory directory;
  directory.write("tokenizer_config.json", settings());
  std::filesystem::create_directory(directory.path() / "chat_templates");
  directory.write("chat_templates/tool.jinja", "x");
  Error error = error_of([&] { read(directory)->prompt("?"); });
  EXPECT_NE(std::string(error.what()).find("chat_templates: has no default.jinja"),
            std::string::npos);
  EXPECT_NE(error.hint().find("<image>"), std::string::npos);
  directory.write("chat_template.json", R"({"chat_template":"x"})");
  error = error_of([&] { read(directory)->prompt("?"); });
  EXPECT_NE(std::string(error.what()).find("expected one of the two"), std::string::npos);
}

struct Unknown {
  const char* source;
  const char* message;
};

TEST(ChatTemplate, WhatIsNotKnownIsNamedWithItsLine) {
  const std::vector<Unknown> table = {
      {"a\n{% import 'x' as y %}", "line 2: the statement 'import'"},
      {"{{ [1] | random }}", "line 1: the filter 'random' of a list"},
      {"{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "the macro 'f' with an argument"},
      {"{{ [1] | select }}", "the printing of an iterator"},
      {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested too deep"},
      {"{{ ('a' | safe) * 2 }}", "'*' with a text that is marked as safe"},
      {"{{ 1 is weird }}", "line 1: the test 'weird'"},
      {"{{ cycler('a') }}", "line 1: the function or method 'cycler'"},
      {"\n\n{{ nothing.more }}", "line 3: 'nothing' is undefined, asked for its 'more'"},
      {"{{ 'a' + 1 }}", "line 1: '+' between a str and a int"},
      {"{% for x in [1] recursive %}{% endfor %}", "line 1: a recursive loop"},
      {"{% if 1 %}", "expected 'endif' before the end"},
      {"{{ 'é'.upper() }}", "'upper' of letters outside of ASCII"},
      {"{{ raise_exception('no system') }}", "the template refuses the question: no system"},
      {"{{ 1", "line 1: a tag without an end"},
      {"{{ 'a }}", "line 1: a string without an end"},
      {"{# a", "line 1: a comment without an end"},
      {"{{ }}", "line 1: expected a value"},
      {"{{ a b }}", "line 1: expected the end of the tag, got 'b'"},
      {"{{ 99999999999999999999 }}", "line 1: the number 99999999999999999999"},
      {"{{ 9223372036854775807 + 1 }}", "a number of more than 64 bits"},
      {"{% endfor %}", "the statement 'endfor'"},
      {"{% break %}", "outside of a loop"},
  };
  for (const Unknown& row : table) {
    const Error error = error_of([&] { of_source(row.source).prompt("What is it?"); });
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    const std::string message = error.what();
    EXPECT_NE(message.find("/chat_template.jinja: the chat template, line "), std::string::npos)
        << message;
    EXPECT_NE(message.find(row.message), std::string::npos) << message;
    EXPECT_NE(error.hint().find("whole prompt"), std::string::npos);
  }
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

// Bombs: each ends with an Error, soon and without taking much memory or stack.
TEST(ChatTemplate, IsBounded) {
  const std::vector<std::string> sources = {
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{{ 'abcdefgh' * 999999999999 }}",
      "{% set ns = namespace(t='x') %}{% for i in range(99) %}{% set ns.t = ns.t ~ ns.t %}{% "
      "endfor %}",
      "{% set ns = namespace(t=[1]) %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% "
      "endfor %}",
      "{% set ns = namespace(t=[]) %}{% for i in range(99) %}{% set ns.t = [ns.t] %}{% endfor %}",
      "{% set ns = namespace(t=1) %}{% for i in range(50) %}{% set ns.t = [ns.t, ns.t] %}{% endfor "
      "%}"
      "{{ ns.t }}",
      "{% set a = namespace(t=1) %}{% set b = namespace(t=1) %}{% for i in range(50) %}"
      "{% set a.t = [a.t, a.t] %}{% set b.t = [b.t, b.t] %}{% endfor %}{{ a.t == b.t }}",
      "{% set ns = namespace() %}{% set ns.t = ns %}",
      "{% set ns = namespace() %}{% set ns.t = [ns] %}",
      "{% for i in range(99999) %}{% set x = range(99999) | list %}{% endfor %}",
      "{% set x = 'abcdefgh' * 500000 %}{% for i in range(99999) %}{% set y = x %}{% endfor %}",
      "{{ range(999999999) }}",
      "{{ " + repeated("(", 100'000) + "1" + repeated(")", 100'000) + " }}",
      "{{ 1" + repeated(" + 1", 100'000) + " }}",
      "{{ 'a'" + repeated(" | trim", 100'000) + " }}",
      "{{ a" + repeated(".b", 100'000) + " }}",
      "{{ " + repeated("not ", 100'000) + "1 }}",
      "{{ " + repeated("-", 100'000) + "1 }}",
      "{{ " + repeated("[", 100'000) + " }}",
      repeated("{% if 1 %}", 100'000),
      repeated("{% for x in [1] %}", 100'000) + repeated("{% endfor %}", 100'000),
      "{{ 1" + repeated(" if 1 else 1", 100'000) + " }}",
      "{{ 1" + repeated(" if 1", 100'000) + " }}",
      repeated("x", 2'000'000) + "{% if",
  };
  for (const std::string& source : sources) {
    EXPECT_THROW(of_source(source).prompt("What is it?"), Error) << source.substr(0, 60);
  }
}

}  // namespace
}  // namespace instructblip
