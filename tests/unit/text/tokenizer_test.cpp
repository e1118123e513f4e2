// What the golden data does not show: long texts, streams piece by piece, lookups.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/utf8.h"
#include "support/cpu_time.h"
#include "support/temp_directory.h"
#include "text/byte_level.h"
#include "text/streaming_detokenizer.h"

namespace instructblip {
namespace {

using Ids = std::vector<std::int32_t>;

std::unique_ptr<const Tokenizer> load(const std::string& golden, const std::string& target,
                                      TokenizerKind kind, const std::string& settings = "{}") {
  const test::TempDirectory directory;
  const auto files = std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/text/files";
  std::filesystem::copy_file(files / golden, directory / target);
  directory.write("tokenizer_config.json", settings);
  return load_tokenizer(directory.path(), kind);
}

std::unique_ptr<const Tokenizer> llama(const std::string& settings = "{}") {
  return load("llama_plain-tokenizer.json", "tokenizer.json", TokenizerKind::llama, settings);
}
std::unique_ptr<const Tokenizer> t5() {
  return load("t5-tokenizer.json", "tokenizer.json", TokenizerKind::t5);
}
std::unique_ptr<const Tokenizer> bert() {
  return load("qformer-vocab.txt", "vocab.txt", TokenizerKind::bert);
}

std::unique_ptr<const Tokenizer> gpt2(const std::string& settings = "{}") {
  return load("opt-tokenizer.json", "tokenizer.json", TokenizerKind::gpt2, settings);
}

std::unique_ptr<const Tokenizer> llama3() {
  return load("llama3-tokenizer.json", "tokenizer.json", TokenizerKind::llama,
              R"({"tokenizer_class":"PreTrainedTokenizerFast"})");
}

std::string repeated(const std::string& part, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += part;
  return text;
}

// Twenty times quadratic growth of a text of 20 kB would take hours.
TEST(LongTexts, TakeTimeInProportion) {
  const std::vector<std::unique_ptr<const Tokenizer>> tokenizers = [] {
    std::vector<std::unique_ptr<const Tokenizer>> all;
    all.push_back(llama());
    all.push_back(t5());
    all.push_back(bert());
    all.push_back(gpt2());
    all.push_back(llama3());
    return all;
  }();
  for (const std::string part :
       {"a", "imageunusual", " ", "\u2581", "\u6771", "e\u0301", "</s>", "<", "1", " \n", "'"}) {
    const std::string text = repeated(part, 100'000);
    for (const auto& tokenizer : tokenizers) {
      const double start = test::cpu_seconds();
      const Ids ids = tokenizer->encode(text);
      tokenizer->decode(ids, /*skip_special_tokens=*/false);
      EXPECT_LT(test::cpu_seconds() - start, 20.0) << part;
    }
  }
}

// A long text is its words: each may be encoded on its own.
TEST(LongTexts, AreEncodedLikeTheirWords) {
  const auto tokenizer = t5();
  const Ids word = tokenizer->encode("unusual");
  const Ids words = tokenizer->encode(repeated("unusual ", 20'000));
  ASSERT_EQ(words.size(), 2500 * (word.size() - 1) + 1);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    ASSERT_EQ(words[i], word[i % (word.size() - 1)]);
  }
}

Ids byte_ids(const Tokenizer& tokenizer, const std::string& bytes) {
  Ids ids;
  for (const char byte : bytes) {
    constexpr const char* kDigits = "0123456789ABCDEF";
    const auto value = static_cast<unsigned char>(byte);
    const std::string name = {'<', '0', 'x', kDigits[value >> 4], kDigits[value & 15], '>'};
    ids.push_back(tokenizer.id_of(name).value());
  }
  return ids;
}

std::vector<std::string> stream(const Tokenizer& tokenizer, const Ids& ids) {
  StreamingDetokenizer detokenizer(tokenizer);
  std::vector<std::string> pieces;
  for (const std::int32_t id : ids) pieces.push_back(detokenizer.put(id));
  pieces.push_back(detokenizer.finish());
  return pieces;
}

using Pieces = std::vector<std::string>;

// The tokens of single bytes, in a byte-level vocabulary.
Ids byte_level_ids(const Tokenizer& tokenizer, const std::string& bytes) {
  Ids ids;
  for (const char byte : bytes) {
    std::string name;
    utf8::append(name, byte_level_code(static_cast<unsigned char>(byte)));
    ids.push_back(tokenizer.id_of(name).value());
  }
  return ids;
}

TEST(Streaming, EmitsWordsAtOnce) {
  const auto tokenizer = llama();
  const Ids ids = {tokenizer->id_of("\u2581the").value(), tokenizer->id_of("\u2581image").value()};
  EXPECT_EQ(stream(*tokenizer, ids), (Pieces{"the", " image", ""}));
}

TEST(Streaming, HoldsBytesBackUntilTheirRunIsOver) {
  const auto tokenizer = llama();
  Ids ids = byte_ids(*tokenizer, "\xC3\xA9");
  ids.push_back(tokenizer->id_of("\u2581the").value());
  EXPECT_EQ(stream(*tokenizer, ids), (Pieces{"", "", "\u00E9 the", ""}));
  // One byte that fits nowhere spoils the whole run.
  EXPECT_EQ(stream(*tokenizer, byte_ids(*tokenizer, "\xC3\xA9\xFF")),
            (Pieces{"", "", "", "\uFFFD\uFFFD\uFFFD"}));
  // Special tokens do not end a run: they are gone before bytes are put together.
  ids = byte_ids(*tokenizer, "\xC3");
  ids.push_back(tokenizer->eos().value());
  ids.push_back(byte_ids(*tokenizer, "\xA9").front());
  EXPECT_EQ(stream(*tokenizer, ids), (Pieces{"", "", "", "\u00E9"}));
}

TEST(Streaming, PutsTheBytesOfCharactersTogether) {
  const auto tokenizer = gpt2();
  const auto streamed = [&](const std::string& bytes) {
    return stream(*tokenizer, byte_level_ids(*tokenizer, bytes));
  };
  EXPECT_EQ(streamed("a\xC3\xA9z"), (Pieces{"a", "", "\u00E9", "z", ""}));
  EXPECT_EQ(streamed("\xF0\x9F\x98\x80"), (Pieces{"", "", "", "\U0001F600", ""}));
  // One replacement character for what has begun and is not completed, at once where that is sure.
  EXPECT_EQ(streamed("\xF0\x9F\x98z"), (Pieces{"", "", "", "\uFFFDz", ""}));
  EXPECT_EQ(streamed("\xFFz\xE2\x82"), (Pieces{"\uFFFD", "z", "", "", "\uFFFD"}));
  // Special tokens are gone before bytes are put together.
  Ids ids = byte_level_ids(*tokenizer, "\xC3");
  ids.push_back(tokenizer->id_of("</s>").value());
  ids.push_back(byte_level_ids(*tokenizer, "\xA9").front());
  EXPECT_EQ(stream(*tokenizer, ids), (Pieces{"", "", "\u00E9", ""}));
}

TEST(Streaming, StripsBothEnds) {
  const auto tokenizer = llama();
  const std::int32_t space = tokenizer->id_of("\u2581").value();
  const std::int32_t the = tokenizer->id_of("\u2581the").value();
  EXPECT_EQ(stream(*tokenizer, {space, space, the, space, space, the, space}),
            (Pieces{"", "", "the", "", "", "   the", "", ""}));
  EXPECT_EQ(stream(*tokenizer, {space, space}), (Pieces{"", "", ""}));
}

TEST(Streaming, WaitsForWhatCleanUpMayRemove) {
  const auto tokenizer = llama(R"({"clean_up_tokenization_spaces": true})");
  const std::int32_t space = tokenizer->id_of("\u2581").value();
  const std::int32_t the = tokenizer->id_of("\u2581the").value();
  const std::int32_t stop = tokenizer->id_of(".").value();
  EXPECT_EQ(stream(*tokenizer, {the, space, stop, the}), (Pieces{"the", "", ".", " the", ""}));
}

TEST(Lookups, KnowTokensAndTheirIds) {
  const auto tokenizer = llama();
  EXPECT_EQ(tokenizer->id_of("<s>"), 1);
  EXPECT_EQ(tokenizer->id_of("nowhere"), std::nullopt);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_EQ(tokenizer->size(), 480);
}

TEST(Decoding, SkipsIdsWithoutAToken) {
  const auto tokenizer = llama();
  const std::int32_t the = tokenizer->id_of("\u2581the").value();
  EXPECT_EQ(tokenizer->decode(Ids{-1, the, 1'000'000, the}, true), "the the");
}

// A Q-Former's folder may hold nothing but its vocabulary.
TEST(VocabularyAlone, IsBertsLowerCased) {
  const auto tokenizer = bert();
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("A Short IMAGE description:"), true),
            "a short image description :");
  EXPECT_EQ(tokenizer->encode("").size(), 2u);
}

}  // namespace
}  // namespace instructblip
