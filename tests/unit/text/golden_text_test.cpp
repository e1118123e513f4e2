// Ids and texts against the reference's, for many tokenizer directories; see tests/golden/text.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/utf8.h"
#include "support/temp_directory.h"
#include "text/streaming_detokenizer.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace instructblip {
namespace {

using Ids = std::vector<std::int32_t>;

std::filesystem::path golden_directory() {
  const char* other = std::getenv("INSTRUCTBLIP_TEXT_GOLDENS");
  return other != nullptr ? other
                          : std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/text";
}

const Json& goldens() {
  static const Json json = Json::read(golden_directory() / "goldens.json", {.bytes = 1 << 30});
  return json;
}

std::vector<std::string> strings(const Json& list) {
  std::vector<std::string> texts;
  for (const Json& text : list.elements()) texts.push_back(text.string());
  return texts;
}

Ids ids_of(const Json& list) {
  Ids ids;
  for (const std::int64_t id : list.integers()) ids.push_back(static_cast<std::int32_t>(id));
  return ids;
}

TokenizerKind kind_of(const std::string& name) {
  return name == "t5"      ? TokenizerKind::t5
         : name == "llama" ? TokenizerKind::llama
         : name == "gpt2"  ? TokenizerKind::gpt2
                           : TokenizerKind::bert;
}

std::string stripped(const std::string& text) {
  std::u32string codes = utf8::to_utf32(text);
  while (!codes.empty() && unicode::is_python_space(codes.back())) codes.pop_back();
  std::size_t first = 0;
  while (first < codes.size() && unicode::is_python_space(codes[first])) ++first;
  return utf8::from_utf32(std::u32string_view(codes).substr(first));
}

Json find_case(const std::string& name) {
  for (const Json& entry : goldens().at("cases").elements()) {
    if (entry.at("name").string() == name) return entry;
  }
  throw std::runtime_error("no case " + name);
}

// A tokenizer directory as the reference saw it.
class GoldenText : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    case_ = std::make_unique<Json>(find_case(GetParam()));
    for (const auto& [target, source] : case_->at("files").members()) {
      std::filesystem::copy_file(golden_directory() / "files" / source.string(),
                                 directory_.path() / target);
    }
    for (const auto& [target, content] : case_->at("settings").members()) {
      std::ofstream(directory_.path() / target) << content.dump();
    }
    tokenizer_ = load_tokenizer(directory_.path(), kind_of(case_->at("kind").string()));
  }

  // A list of the case, or of the case that gave the same answers.
  std::vector<Json> answers(const std::string& key) const {
    const auto same = case_->find("same_" + key);
    return same ? find_case(same->string()).at(key).elements() : case_->at(key).elements();
  }

  test::TempDirectory directory_;
  std::unique_ptr<Json> case_;
  std::unique_ptr<const Tokenizer> tokenizer_;
};

TEST_P(GoldenText, EncodesAsTheReference) {
  std::vector<std::string> texts = strings(goldens().at("texts"));
  for (std::string& text : strings(goldens().at("random_texts"))) texts.push_back(text);
  const std::vector<Json> expected = answers("ids");
  ASSERT_FALSE(expected.empty());
  ASSERT_LE(expected.size(), texts.size());
  int wrong = 0;
  for (std::size_t i = 0; i < expected.size() && wrong < 20; ++i) {
    const Ids want = ids_of(expected[i]);
    const Ids got = tokenizer_->encode(texts[i]);
    EXPECT_EQ(got, want) << json_literal(texts[i]);
    if (got != want) ++wrong;
  }
}

TEST_P(GoldenText, DecodesAsTheReference) {
  int wrong = 0;
  for (const Json& sample : answers("decoded")) {
    const Ids ids = ids_of(sample.at("ids"));
    const std::string text = tokenizer_->decode(ids, /*skip_special_tokens=*/true);
    EXPECT_EQ(text, sample.at("text").string()) << sample.at("ids").dump();
    EXPECT_EQ(tokenizer_->decode(ids, /*skip_special_tokens=*/false), sample.at("all").string())
        << sample.at("ids").dump();
    if (text != sample.at("text").string() && ++wrong == 20) break;
  }
}

TEST_P(GoldenText, StreamsWhatItDecodes) {
  for (const Json& sample : answers("decoded")) {
    StreamingDetokenizer detokenizer(*tokenizer_);
    std::string streamed;
    for (const std::int32_t id : ids_of(sample.at("ids"))) {
      const std::string piece = detokenizer.put(id);
      EXPECT_FALSE(utf8::find_invalid(piece)) << sample.at("ids").dump();
      streamed += piece;
    }
    streamed += detokenizer.finish();
    EXPECT_EQ(streamed, stripped(sample.at("text").string())) << sample.at("ids").dump();
    EXPECT_EQ(detokenizer.text(), streamed);
  }
}

TEST_P(GoldenText, CountsTokensAsTheReference) {
  EXPECT_EQ(tokenizer_->size(), case_->at("size").integer());
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const Json& entry : goldens().at("cases").elements()) {
    names.push_back(entry.at("name").string());
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Directories, GoldenText, testing::ValuesIn(case_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace instructblip
