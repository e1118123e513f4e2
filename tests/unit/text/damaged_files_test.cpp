// Tokenizer files that are damaged, contradict themselves or ask for what is not known here.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <random>
#include <string>

#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "text/tokenizer.h"

namespace instructblip {
namespace {

using test::TempDirectory;

const std::filesystem::path kFiles =
    std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/text/files";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

const std::string kPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n";

struct Row {
  std::string name;
  TokenizerKind kind;
  ErrorCode code;
  std::string message;  // a part of it
  std::function<void(const TempDirectory&)> write;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

// A valid file of the golden data with one place changed.
Row json_row(const std::string& name, ErrorCode code, const std::string& message,
             const std::string& golden, const std::string& from, const std::string& to) {
  return {name, TokenizerKind::llama, code, message, [=](const TempDirectory& directory) {
            const std::string json = test::content_of(kFiles / golden);
            directory.write("tokenizer.json", replaced(json, from, to));
          }};
}

Row file_row(const std::string& name, TokenizerKind kind, ErrorCode code,
             const std::string& message, const std::string& file, const std::string& content) {
  return {name, kind, code, message,
          [=](const TempDirectory& directory) { directory.write(file, content); }};
}

Row settings_row(const std::string& name, const std::string& message, const std::string& content) {
  return {name, TokenizerKind::llama, ErrorCode::bad_model, message,
          [=](const TempDirectory& directory) {
            directory.write("tokenizer.json", test::content_of(kFiles / "llama-tokenizer.json"));
            directory.write("tokenizer_config.json", content);
          }};
}

// vocab.json and merges.txt alone.
Row gpt2_row(const std::string& name, const std::string& message, const std::string& vocabulary,
             const std::string& merges) {
  return {name, TokenizerKind::gpt2, ErrorCode::bad_model, message,
          [=](const TempDirectory& directory) {
            directory.write("vocab.json", vocabulary);
            directory.write("merges.txt", merges);
            directory.write("tokenizer_config.json",
                            R"({"add_bos_token": true, "bos_token": null})");
          }};
}

std::vector<Row> json_rows() {
  constexpr auto kBad = ErrorCode::bad_model, kNotOurs = ErrorCode::unsupported;
  const std::string llama = "llama-tokenizer.json", t5 = "t5-tokenizer.json";
  return {
      json_row("NotJson", kBad, "tokenizer.json", llama, "{\"version\"", "{{\"version\""),
      json_row("OtherVersion", kNotOurs, "version", llama, "\"1.0\"", "\"2.0\""),
      json_row("UnknownNormalizer", kNotOurs, "'NFXY'", llama, "\"Prepend\"", "\"NFXY\""),
      json_row("UnknownPreTokenizer", kNotOurs, "'UnicodeScripts'", t5,
               "\"pre_tokenizer\":{\"type\":\"Metaspace\"",
               "\"pre_tokenizer\":{\"type\":\"UnicodeScripts\""),
      json_row("UnknownDecoder", kNotOurs, "'CTC'", llama, "\"ByteFallback\"", "\"CTC\""),
      json_row("UnknownProcessor", kNotOurs, "'Magic'", llama, "\"TemplateProcessing\"",
               "\"Magic\""),
      json_row("UnknownModel", kNotOurs, "'WordLevel'", llama, "\"BPE\"", "\"WordLevel\""),
      json_row("Dropout", kNotOurs, "dropout", llama, "\"dropout\":null", "\"dropout\":0.1"),
      json_row("LazyExpression", kNotOurs, "(a|b)+?", t5, " {2,}", "(a|b)+?"),
      json_row("PossessiveExpression", kNotOurs, "a++b", t5, " {2,}", "a++b"),
      json_row("ExpressionOfNothing", kNotOurs, "a*|b", t5, " {2,}", "a*|b"),
      json_row("ExpressionThatLooksBack", kNotOurs, "(?<=a)b", t5, " {2,}", "(?<=a)b"),
      json_row("ExpressionOfAnyCharacter", kNotOurs, "a.b", t5, " {2,}", "a.b"),
      json_row("ExpressionOfOtherClass", kNotOurs, "from its character 2 on", t5, " {2,}",
               "\\\\p{Lu}"),
      json_row("ExpressionWithoutEnd", kNotOurs, "(ab", t5, " {2,}", "(ab"),
      json_row("ExpressionOfManySteps", kNotOurs, "at most 2000 steps", t5, " {2,}",
               "((a{1000}){1000}){1000}"),
      json_row("ExpressionWithFoldedPair", kNotOurs, "(?i:first)", t5, " {2,}", "(?i:first)"),
      json_row("MergeOfAStranger", kBad, "merge 0", llama, "\"merges\":[[\"",
               "\"merges\":[[\"stranger"),
      json_row("MergeOfThree", kBad, "merges[0]", llama, "\"merges\":[[",
               "\"merges\":[\"a b c\",["),
      json_row("MergeOfNothing", kBad, "merges[0]", llama, "\"merges\":[[",
               "\"merges\":[[\"\",\"a\"],["),
      json_row("IdTwice", kBad, "'<unk>'", llama, "\"<s>\":1", "\"<s>\":0"),
      json_row("NegativeId", kBad, "got -1", llama, "\"<s>\":1", "\"<s>\":-1"),
      json_row("HugeId", kBad, "4294967295", llama, "\"<s>\":1", "\"<s>\":4294967295"),
      json_row("IdOfText", kBad, "integer", llama, "\"<s>\":1", "\"<s>\":\"1\""),
      json_row("AddedTokenWithoutId", kBad, "added_tokens[0]", llama, "{\"id\":1,", "{"),
      json_row("AddedTokenOfNumber", kBad, "content", llama, "\"content\":\"<s>\"",
               "\"content\":7"),
      json_row("TemplateOfAStranger", kBad, "special_tokens", llama,
               "{\"SpecialToken\":{\"id\":\"</s>\"", "{\"SpecialToken\":{\"id\":\"<x>\""),
      json_row("TemplateOfTwoTexts", kBad, "single template", llama, "{\"Sequence\":{\"id\":\"A\"",
               "{\"Sequence\":{\"id\":\"B\""),
      json_row("PieceWithoutScore", kBad, "vocab[0]", t5, "[\"<pad>\",0.0]", "[\"<pad>\"]"),
      json_row("UnkIdOutside", kBad, "unk_id", t5, "\"unk_id\":2", "\"unk_id\":90000"),
      json_row("NoBase64", kBad, "precompiled_charsmap", t5, "\"precompiled_charsmap\":\"AAwA",
               "\"precompiled_charsmap\":\"A*wA"),
      json_row("OddBase64", kBad, "precompiled_charsmap", t5, "\"precompiled_charsmap\":\"AAwA",
               "\"precompiled_charsmap\":\"AAw"),
      json_row("TrieBeyondTheEnd", kBad, "trie", t5, "\"precompiled_charsmap\":\"AAwA",
               "\"precompiled_charsmap\":\"//w/"),
      json_row("LongToken", kBad, "1024", llama, "\"<s>\":1",
               "\"" + std::string(2000, 'x') + "\":1"),
  };
}

std::string model_of_pieces(const std::string& bytes) {
  return test::content_of(kFiles / "t5-spiece.model") + bytes;
}

std::vector<Row> other_rows() {
  constexpr auto kBad = ErrorCode::bad_model;
  const auto t5 = TokenizerKind::t5;
  const auto bert = TokenizerKind::bert;
  const std::string spiece = test::content_of(kFiles / "t5-spiece.model");
  const std::string start = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
  using namespace std::string_literals;
  return {
      {"Nothing", t5, ErrorCode::not_found, "spiece.model", [](const TempDirectory&) {}},
      {"JsonIsADirectory", t5, kBad, "tokenizer.json",
       [](const TempDirectory& d) { std::filesystem::create_directory(d / "tokenizer.json"); }},
      {"JsonIsAPipe", t5, kBad, "tokenizer.json",
       [](const TempDirectory& d) { d.make_fifo("tokenizer.json"); }},
      {"ModelIsAPipe", t5, kBad, "spiece.model",
       [](const TempDirectory& d) { d.make_fifo("spiece.model"); }},
      file_row("EmptyModel", t5, kBad, "pieces, got none", "spiece.model", ""),
      file_row("ModelOfText", t5, kBad, "spiece.model", "spiece.model", "version https://lfs\noid"),
      file_row("CutModel", t5, kBad, "more bytes", "spiece.model", spiece.substr(0, 3000)),
      file_row("OtherWireType", t5, kBad, "wire type", "spiece.model", model_of_pieces("\x0B")),
      file_row("EndlessNumber", t5, kBad, "ten bytes", "spiece.model",
               model_of_pieces("\x08" + std::string(12, '\xFF'))),
      file_row("PieceNotUtf8", t5, kBad, "UTF-8", "spiece.model",
               model_of_pieces("\x0A\x04\x0A\x02\xC3\x28"s)),
      file_row("ScoreNotANumber", t5, kBad, "finite", "spiece.model",
               model_of_pieces("\x0A\x05\x15\x00\x00\xC0\x7F"s)),
      file_row("UnknownPieceType", t5, kBad, "type 1 to 6", "spiece.model",
               model_of_pieces("\x0A\x02\x18\x09"s)),
      file_row("WordModel", t5, ErrorCode::unsupported, "type 3", "spiece.model",
               model_of_pieces("\x12\x02\x18\x03"s)),
      file_row("UnkIdOfModel", t5, kBad, "unk_id", "spiece.model",
               model_of_pieces("\x12\x04\xC0\x02\xFF\x7F"s)),
      file_row("RulesOfModel", t5, kBad, "trie", "spiece.model",
               model_of_pieces("\x1A\x06\x12\x04\xFF\xFF\xFF\x7F"s)),
      file_row("VocabNotUtf8", bert, kBad, "UTF-8", "vocab.txt", start + "\xFF\n"),
      file_row("VocabTwice", bert, kBad, "line 6", "vocab.txt", start + "a\na\n"),
      gpt2_row("VocabularyOfText", "vocab.json: expected an object", "\"text\"", ""),
      gpt2_row("MergesNotUtf8", "merges.txt: expected UTF-8", "{\"a\": 0}", "\xFF\n"),
      gpt2_row("MergeOfOne", "merges.txt line 3", "{\"a\": 0}", "#\na a\na\n"),
      gpt2_row("MergeOfAStrangerByte", "got 'aa'", "{\"a\": 0}", "#\na a\n"),
      gpt2_row("MergeNamesItsFile", "merges.txt: merge 0: expected tokens of the vocabulary",
               "{\"a\": 0}", "#\na a\n"),
      gpt2_row("BosToNowhere", "tokenizer_config.json: expected a bos_token", "{\"a\": 0}", "#\n"),
      gpt2_row("VocabularyOfAPointer", "vocab.json: a Git LFS pointer", kPointer, "#\n"),
      gpt2_row("MergesOfAPointer", "merges.txt: a Git LFS pointer", "{\"a\": 0}", kPointer),
      file_row("JsonOfAPointer", t5, kBad, "tokenizer.json: a Git LFS pointer, expected JSON",
               "tokenizer.json", kPointer),
      file_row("JsonOfWeights", t5, kBad, "tokenizer.json: a safetensors file, expected JSON",
               "tokenizer.json", "\x02\0\0\0\0\0\0\0{}"s),
      file_row("ModelOfAPointer", t5, kBad, "spiece.model: a Git LFS pointer, expected a Sentence",
               "spiece.model", kPointer),
      file_row("ModelOfAWebPage", t5, kBad, "spiece.model: a web page", "spiece.model",
               "<!DOCTYPE html><html>"),
      file_row("ModelOfGguf", t5, kBad, "spiece.model: a GGUF file", "spiece.model",
               "GGUF\x03\0\0\0"s),
      file_row("VocabOfAPointer", bert, kBad, "vocab.txt: a Git LFS pointer, expected a list",
               "vocab.txt", kPointer),
      file_row("WordsWithoutClassifier", bert, kBad,
               "tokenizer.json: post_processor.special_tokens.[CLS]: '[CLS]', which is put around "
               "every text, is token 2 here, but token",
               "tokenizer.json",
               replaced(test::content_of(kFiles / "qformer-tokenizer.json"), "\"[CLS]\":2,", "")),
      file_row("WordsWithoutUnknown", bert, kBad,
               "tokenizer.json: model.vocab: expected the unk_token '[UNK]'", "tokenizer.json",
               R"({"model": {"type": "WordPiece", "vocab": {"[CLS]": 0}}})"),
      file_row("VocabularyWithoutMerges", TokenizerKind::gpt2, ErrorCode::not_found, "merges.txt",
               "vocab.json", "{\"a\": 0}"),
      file_row("VocabWithoutCls", bert, kBad, "'[CLS]'", "vocab.txt", "[PAD]\n[UNK]\n[SEP]\n"),
      settings_row("SettingsAreAList", "an object", "[]"),
      settings_row("SettingsNotJson", "tokenizer_config.json", "{"),
      settings_row("ListedUnderAWord", "added_tokens_decoder",
                   R"({"added_tokens_decoder": {"one": {"content": "x"}}})"),
      settings_row("ListedBeyondAllRows", "added_tokens_decoder",
                   R"({"added_tokens_decoder": {"99999999": {"content": "x"}}})"),
      settings_row("NoTokenToAdd", "bos_token", R"({"bos_token": null})"),
  };
}

// Rules of few bytes that replace one another's results.
TEST(DamagedRules, TakeNoMemoryBeyondABound) {
  const std::string plain = test::content_of(kFiles / "llama-tokenizer.json");
  std::string rules;
  for (int i = 0; i < 5; ++i) {
    rules += R"({"type": "Replace", "pattern": {"String": "a"}, "content": ")" +
             std::string(200, 'a') + "\"}, ";
  }
  const auto with = [&](const std::string& list) {
    const std::size_t at = plain.find("[", plain.find("\"" + list + "\""));
    return std::string(plain).insert(at + 1, rules);
  };
  const TempDirectory directory;
  directory.write("tokenizer.json", with("normalizers"));
  const auto normalizing = load_tokenizer(directory.path(), TokenizerKind::llama);
  test::expect_error(ErrorCode::bad_model, "normalizer: a text grows to",
                     [&] { normalizing->encode("a"); });
  directory.write("tokenizer.json", with("decoders"));
  const auto decoding = load_tokenizer(directory.path(), TokenizerKind::llama);
  test::expect_error(ErrorCode::bad_model, "decoder: a token becomes more than",
                     [&] { decoding->decode(decoding->encode("a"), false); });
}

class DamagedFiles : public testing::TestWithParam<Row> {};

TEST_P(DamagedFiles, AreRefusedByName) {
  const TempDirectory directory;
  GetParam().write(directory);
  test::expect_error(GetParam().code, GetParam().message,
                     [&] { load_tokenizer(directory.path(), GetParam().kind); });
}

constexpr auto name_of = [](const auto& row) { return row.param.name; };
INSTANTIATE_TEST_SUITE_P(Json, DamagedFiles, testing::ValuesIn(json_rows()), name_of);
INSTANTIATE_TEST_SUITE_P(Others, DamagedFiles, testing::ValuesIn(other_rows()), name_of);

// Whatever bytes change: an Error, or a tokenizer that works.
void damage(const std::string& golden, const std::string& target, TokenizerKind kind,
            const TokenizerRules& rules = {}) {
  const std::string content = test::content_of(kFiles / golden);
  std::mt19937 random(7);
  for (int i = 0; i < 250; ++i) {
    std::string damaged = content;
    const std::size_t changes = 1 + random() % 4;
    for (std::size_t k = 0; k < changes; ++k) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    if (i % 10 == 0) damaged.resize(random() % damaged.size());
    const TempDirectory directory;
    directory.write(target, damaged);
    try {
      const auto tokenizer = load_tokenizer(directory.path(), kind, rules);
      const auto ids = tokenizer->encode("A caf\u00E9 </s> \u2581<0x0A>\U0001F600\u0301 ok");
      tokenizer->decode(ids, true);
    } catch (const Error&) {
    }
  }
}

TEST(DamagedBytes, NeverCrash) {
  damage("t5-spiece.model", "spiece.model", TokenizerKind::t5);
  damage("llama-tokenizer.model", "tokenizer.model", TokenizerKind::llama);
  damage("llama-tokenizer.model", "tokenizer.model", TokenizerKind::llama, {.slow_llama = true});
  damage("t5-tokenizer.json", "tokenizer.json", TokenizerKind::t5);
  damage("qformer-vocab.txt", "vocab.txt", TokenizerKind::bert);
  damage("opt-tokenizer.json", "tokenizer.json", TokenizerKind::gpt2);
}

}  // namespace
}  // namespace instructblip
