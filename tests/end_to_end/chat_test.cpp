// What a directory's own files say about asking it: chat templates, and settings that ban tokens.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

namespace fs = std::filesystem;

const std::string kLlavaNext = kSource + "/tests/golden/checkpoints/llava_next_hub";
constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{{ '<image>\\n' }}{% else %}{{ c['text'] }}{% endif %}{% endfor "
    "%}"
    "{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% endif %}";

Json json_file(const fs::path& file) {
  std::ifstream stream(file);
  return Json::parse(stream);
}

class Chat : public ::testing::Test {
 protected:
  Chat() { fs::copy(kLlavaNext, directory_.path(), fs::copy_options::recursive); }

  void write_template(const std::string& file, const std::string& source) {
    directory_.write(file, Json{{"chat_template", source}}.dump());
  }
  Finished tokenize(const std::string& text) {
    return call({"tokenize", "--model", directory_.path().string(), "--json", "--text", text});
  }
  Json ids(const std::string& text) {
    const Finished finished = tokenize(text);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    return objects(finished.out).at(0)["lm"];
  }

  TempDirectory directory_;
};

TEST_F(Chat, AQuestionIsPutInTheWordsOfTheTemplate) {
  const Json vicuna = ids("What is it?");
  write_template("chat_template.json", kChatMl);
  const Json asked = ids("What is it?");
  EXPECT_EQ(asked, ids("<|im_start|>user\n<image>\nWhat is it?<|im_end|><|im_start|>assistant\n"));
  EXPECT_NE(asked, vicuna);
}

TEST_F(Chat, TheFirstTokenOfATemplateIsNotPutThereTwice) {
  const Json plain = ids("USER: <image>\nWhat is it? ASSISTANT:");
  write_template("processor_config.json",
                 "{{ bos_token }}USER: <image>\n{{ messages[0].content[1].text }} ASSISTANT:");
  EXPECT_EQ(std::ranges::count(ids("What is it?"), plain[0]), 1);
}

TEST_F(Chat, ATokenizersTemplateInOtherWordsIsWarnedAbout) {
  const Json before = ids("What is it?");
  Json settings = json_file(directory_ / "tokenizer_config.json");
  settings["chat_template"] = "{{ '### ' + messages[0]['content'] + ' ###' }}";
  directory_.write("tokenizer_config.json", settings.dump());
  const Finished finished = tokenize("What is it?");
  EXPECT_EQ(objects(finished.out).at(0)["lm"], before);
  EXPECT_NE(finished.err.find("tokenizer_config.json: has a chat template"), std::string::npos)
      << finished.err;
}

TEST_F(Chat, WhatATemplateCannotDoIsNamed) {
  write_template("chat_template.json", "{% import 'x' as y %}");
  Finished refused = tokenize("What is it?");
  EXPECT_EQ(refused.exit_code, 5);
  EXPECT_NE(
      refused.err.find("chat_template.json: the chat template, line 1: the statement 'import'"),
      std::string::npos)
      << refused.err;
  EXPECT_EQ(tokenize("<image> What is it?").exit_code, 0) << "a whole prompt needs no template";
  write_template("chat_template.json", "{{ messages[0].content[1].text }}");
  refused = tokenize("What is it?");
  EXPECT_EQ(refused.exit_code, 5);
  EXPECT_NE(refused.err.find("makes a prompt without <image>"), std::string::npos) << refused.err;
}

TEST_F(Chat, AWholePromptWithoutItsPictureIsRefused) {
  for (const char* prompt :
       {"USER: What is it? ASSISTANT:", "[INST] What is it? [/INST]", "What is it? ASSISTANT: ",
        "<|im_start|>user\nWhat is it?<|im_end|>\n<|im_start|>assistant\n", "<s>USER: What is it?",
        "You are kind. USER: What is it? ASSISTANT: A cup. USER: Of what?"}) {
    const Finished refused = tokenize(prompt);
    EXPECT_EQ(refused.exit_code, 2) << prompt;
    EXPECT_NE(refused.err.find("no <image>"), std::string::npos) << refused.err;
  }
  for (const char* question :
       {"What does the USER: label say?", "Is \"[INST]\" written there?", "Who is the assistant?",
        "Question: what is it? Short answer:", ""}) {
    EXPECT_EQ(tokenize(question).exit_code, 0) << question;
  }
  write_template("chat_template.json", "Frage: <image>{{ messages[0].content[1].text }} Antwort:");
  EXPECT_EQ(tokenize("Frage: Was ist das? Antwort:").exit_code, 2);
  EXPECT_EQ(tokenize("Was ist das?").exit_code, 0);
}

TEST_F(Chat, APointerInThePlaceOfATemplateIsNamed) {
  directory_.write("chat_template.jinja",
                   "version https://git-lfs.github.com/spec/v1\noid sha256:1\n");
  const Finished refused = tokenize("What is it?");
  EXPECT_EQ(refused.exit_code, 5);
  EXPECT_NE(refused.err.find((directory_ / "chat_template.jinja").string() + ": a Git LFS pointer"),
            std::string::npos)
      << refused.err;
  EXPECT_EQ(tokenize("<image> What is it?").exit_code, 0) << "a whole prompt needs no template";
}

TEST(GenerationFile, ForcesTokensAndStopsWithTheTime) {
  const Json want = golden_request(kT5, "greedy");
  const Json tokens = want["sequences"][0]["tokens"];
  const TempDirectory directory;
  fs::copy(kT5, directory.path(), fs::copy_options::recursive);
  Json config = json_file(directory / "config.json");
  const auto answer_with = [&](const Json& keys) {
    Json changed = config;
    changed["text_config"].update(keys);
    directory.write("config.json", changed.dump());
    const Finished finished =
        call({"run", "--json", "--model", directory.path().string(), "--image",
              image(want["image"]), "--instruction", want["instruction"], "--max-new-tokens", "4"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return objects(finished.out).at(0);
  };
  Json answer = answer_with({{"forced_bos_token_id", 9}, {"forced_eos_token_id", {7}}});
  EXPECT_EQ(answer["tokens"][0], 9);
  EXPECT_EQ(answer["tokens"].back(), 7);
  EXPECT_EQ(answer["options"]["forced_eos_token_id"], Json::array({7}));
  answer = answer_with({{"max_time", 0}});
  EXPECT_EQ(answer["tokens"], Json::array({tokens[0]}));
  EXPECT_EQ(answer["finish_reason"], "cancelled");
  answer = answer_with({{"max_time", 3600}, {"top_k", -1}, {"temperature", "warm"}});
  EXPECT_EQ(answer["tokens"][0], tokens[0]);
  EXPECT_NE(answer["finish_reason"], "cancelled");
}

TEST(BannedTokens, AreBannedByOptionsAndByTheModelsFiles) {
  const Json want = golden_request(kT5, "greedy");
  const Json tokens = want["sequences"][0]["tokens"];
  const Arguments question = {"run",
                              "--json",
                              "--image",
                              image(want["image"]),
                              "--instruction",
                              want["instruction"],
                              "--max-new-tokens",
                              "24",
                              "--model"};
  const std::string banned = tokens[0].dump();
  Finished finished = call(question + Arguments{kT5, "--suppress-tokens", banned, "--bad-words-ids",
                                                "3,4", "--bad-words-ids", "5"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  Json answer = objects(finished.out).at(0);
  EXPECT_EQ(std::ranges::count(answer["tokens"], tokens[0]), 0);
  EXPECT_EQ(answer["options"]["suppress_tokens"], Json::array({tokens[0]}));
  EXPECT_EQ(answer["options"]["bad_words_ids"], Json::parse("[[3,4],[5]]"));
  EXPECT_EQ(answer["options"]["min_p"], 0.0);

  const TempDirectory directory;
  fs::copy(kT5, directory.path(), fs::copy_options::recursive);
  Json config = json_file(directory / "config.json");
  config["text_config"]["begin_suppress_tokens"] = Json::array({tokens[0]});
  directory.write("config.json", config.dump());
  finished = call(question + Arguments{directory.path().string()});
  EXPECT_NE(objects(finished.out).at(0)["tokens"][0], tokens[0]);
  finished =
      call(question + Arguments{directory.path().string(), "--begin-suppress-tokens", "none"});
  EXPECT_EQ(objects(finished.out).at(0)["tokens"], tokens);

  EXPECT_EQ(call(question + Arguments{kT5, "--bad-words-ids", "3;4"}).exit_code, 2);
  EXPECT_EQ(call(question + Arguments{kT5, "--bad-words-ids", "999999"}).exit_code, 2);
}

}  // namespace
}  // namespace instructblip::test
