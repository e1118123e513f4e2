// LAVIS's tokenizer of LLaMA, which the SentencePiece library is behind.
#include "text/slow_llama_tokenizer.h"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "core/json.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

const fs::path kGolden = fs::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden";
const fs::path kModel = kGolden / "text/files/llama-tokenizer.model";

std::string stripped(const std::string& text) {
  constexpr const char* kSpaces = " \t\n\v\f\r\x1c\x1d\x1e\x1f";
  const auto first = text.find_first_not_of(kSpaces);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

Ids ids_of(const Json& json) {
  Ids ids;
  for (const std::int64_t id : json.integers()) ids.push_back(static_cast<std::int32_t>(id));
  return ids;
}

class SlowLlama : public testing::Test {
 protected:
  const std::unique_ptr<const Tokenizer> tokenizer_ = load_slow_llama(kModel);

  std::string streamed(const Ids& ids, bool skip_special) const {
    const auto stream = tokenizer_->decode_stream(skip_special);
    std::string text;
    for (const std::int32_t id : ids) text += stream->put(id);
    return text + stream->finish();
  }
};

// Special tokens within texts, white space around them: rows that LAVIS's own tokenizer made.
TEST_F(SlowLlama, EncodesLiteralSpecialTokensAsLavis) {
  int compared = 0;
  for (const char* name : {"vicuna_2023", "vicuna_2024", "vicuna_sentencepiece", "video_vicuna"}) {
    const Json golden = Json::read(kGolden / "lavis" / (std::string(name) + ".json"));
    const fs::path own = kGolden / "checkpoints" / name / "tokenizer.model";
    const auto tokenizer = load_slow_llama(fs::exists(own) ? own : kModel);
    for (const Json& row : golden.at("tokenized").elements()) {
      EXPECT_EQ(tokenizer->encode(row.at("text").string()), ids_of(row.at("lm"))) << row.dump();
      ++compared;
    }
  }
  EXPECT_GE(compared, 4);
}

TEST_F(SlowLlama, DecodesIdsAsTheLibrary) {
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.Load(kModel.string()).ok());
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    Ids ids(1 + random() % 12), read;
    // Half of all sequences are of bytes for the most part.
    const unsigned below = i % 2 == 0 ? 482 : 262;
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % below);
    for (const std::int32_t id : ids) {
      if (id != 0 && id != 2 && id < library.GetPieceSize()) read.push_back(id);
    }
    std::string want;
    ASSERT_TRUE(library.Decode(read, &want).ok());
    EXPECT_EQ(streamed(ids, true), want) << testing::PrintToString(ids);
    EXPECT_EQ(tokenizer_->decode(ids, true), want);
  }
}

TEST_F(SlowLlama, HandsOutTextAsItComes) {
  const Ids hello = tokenizer_->encode("two words");
  const auto stream = tokenizer_->decode_stream(true);
  std::string text;
  for (std::size_t i = 0; i < hello.size(); ++i) {
    text += stream->put(hello[i]);
    EXPECT_EQ(text, tokenizer_->decode(std::span(hello).first(i + 1), true));
  }
  EXPECT_EQ(text, "two words");
  EXPECT_EQ(stream->finish(), "");
}

TEST_F(SlowLlama, KeepsSpecialTokensWhereTheyAreWanted) {
  const Ids ids = tokenizer_->encode("two</s>words[PAD]");
  EXPECT_EQ(tokenizer_->decode(ids, false), "</s>two</s>words[PAD]");
  EXPECT_EQ(stripped(tokenizer_->decode(ids, true)), "two words");
}

TEST_F(SlowLlama, KnowsItsTokens) {
  EXPECT_EQ(tokenizer_->size(), 481);
  EXPECT_EQ(tokenizer_->eos(), 2);
  EXPECT_EQ(tokenizer_->id_of("[PAD]"), 480);
  EXPECT_EQ(tokenizer_->token_of(480), "[PAD]");
  EXPECT_EQ(tokenizer_->id_of("<image>"), std::nullopt);
  EXPECT_EQ(tokenizer_->token_of(481), std::nullopt);
  EXPECT_EQ(tokenizer_->token_of(-1), std::nullopt);
  EXPECT_EQ(tokenizer_->file(), kModel);
}

struct Row {
  const char* name;
  ErrorCode code;
  const char* message;
  std::string behind;  // what follows the pieces of a good file
};

class SlowLlamaFile : public testing::TestWithParam<Row> {};

// Our reader takes all of these.
TEST_P(SlowLlamaFile, IsRefusedByNameWhereTheLibraryRefusesIt) {
  const test::TempDirectory directory;
  directory.write("tokenizer.model", test::content_of(kModel) + GetParam().behind);
  const auto load = [&] { load_slow_llama(directory / "tokenizer.model"); };
  test::expect_error(GetParam().code, "tokenizer.model", load);
  test::expect_error(GetParam().code, GetParam().message, load);
}

using namespace std::string_literals;
INSTANTIATE_TEST_SUITE_P(
    Rows, SlowLlamaFile,
    testing::Values(Row{"PieceTwice", ErrorCode::bad_model, "already defined",
                        "\x0A\x03\x0A\x01"
                        "e"s},
                    Row{"PieceOfNothing", ErrorCode::bad_model, "which its library refuses",
                        "\x0A\x02\x0A\x00"s},
                    Row{"TwoUnknownPieces", ErrorCode::bad_model, "which its library refuses",
                        "\x0A\x07\x0A\x03two\x18\x02"s},
                    Row{"ByteThatIsNone", ErrorCode::bad_model, "which its library refuses",
                        "\x0A\x0A\x0A\x06<0xZZ>\x18\x06"s},
                    Row{"RulesOfNormalisation", ErrorCode::unsupported, "rules of normalisation",
                        "\x1A\x06\x12\x04\xFF\xFF\xFF\x7F"s},
                    Row{"RulesBehindANumber", ErrorCode::unsupported, "rules of normalisation",
                        "\x1A\x06\x12\x04\xFF\xFF\xFF\x7F\x1A\x02\x10\x00"s},
                    Row{"RulesForTextsOfPieces", ErrorCode::unsupported, "rules of normalisation",
                        "\x2A\x06\x12\x04\xFF\xFF\xFF\x7F"s}),
    [](const auto& test) { return test.param.name; });

TEST(SlowLlamaFiles, HaveTheTokensOfVicuna) {
  const test::TempDirectory directory;
  directory.write("tokenizer.model", test::content_of(kGolden / "text/files/mt5-spiece.model"));
  test::expect_error(ErrorCode::unsupported, "rules of normalisation",
                     [&] { load_slow_llama(directory / "tokenizer.model"); });
  std::string renamed = test::content_of(kModel);
  renamed.replace(renamed.find("</s>"), 4, "</t>");
  directory.write("tokenizer.model", renamed);
  test::expect_error(ErrorCode::bad_model, "tokenizer.model: expected the piece '</s>', got none",
                     [&] { load_slow_llama(directory / "tokenizer.model"); });
}

}  // namespace
}  // namespace instructblip
