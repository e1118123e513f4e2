// Our reader, encoders and decoder of .model files against the SentencePiece library itself.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "support/temp_directory.h"
#include "text/sentencepiece_file.h"
#include "text/tokenizer.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

std::string stripped(const std::string& text) {
  const auto first = text.find_first_not_of(' ');
  return first == std::string::npos ? ""
                                    : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

struct Case {
  const char* file;
  TokenizerKind kind;
  const char* name;  // as the tokenizer's directory has it
};

class SentencePieceTest : public testing::TestWithParam<Case> {
 protected:
  SentencePieceTest() {
    EXPECT_TRUE(library_.Load(file_.string()).ok());
    fs::copy_file(file_, directory_ / GetParam().name);
  }

  // Ids that text may become: no control symbols and nothing unknown, which are left out of texts.
  Ids plain_ids() const {
    Ids ids;
    for (int id = 0; id < library_.GetPieceSize(); ++id) {
      if (!library_.IsControl(id) && !library_.IsUnknown(id)) ids.push_back(id);
    }
    return ids;
  }

  const fs::path file_ =
      fs::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/text/files" / GetParam().file;
  const test::TempDirectory directory_;
  sentencepiece::SentencePieceProcessor library_;
};

TEST_P(SentencePieceTest, ReadsThePiecesThatTheLibraryReads) {
  using Type = SentencePieceFile::Type;
  const SentencePieceFile read = read_sentencepiece_file(file_);
  ASSERT_EQ(std::ssize(read.pieces), library_.GetPieceSize());
  EXPECT_EQ(read.unknown_id, library_.unk_id());
  for (int id = 0; id < library_.GetPieceSize(); ++id) {
    const SentencePieceFile::Piece& piece = read.pieces[static_cast<std::size_t>(id)];
    EXPECT_EQ(piece.text, library_.IdToPiece(id)) << id;
    EXPECT_EQ(piece.score, library_.GetScore(id)) << id;
    EXPECT_EQ(piece.type == Type::control, library_.IsControl(id)) << id;
    EXPECT_EQ(piece.type == Type::unknown, library_.IsUnknown(id)) << id;
    EXPECT_EQ(piece.type == Type::unused, library_.IsUnused(id)) << id;
    EXPECT_EQ(piece.type == Type::byte, library_.IsByte(id)) << id;
  }
}

// The reference encodes with code of its own. It agrees on texts like these, but for characters
// that no piece has: converted, T5's tokenizers know no byte pieces.
TEST_P(SentencePieceTest, EncodesTextsAsTheLibraryDoes) {
  const auto tokenizer = load_tokenizer(directory_.path(), GetParam().kind);
  const Ids around = tokenizer->encode("");
  int compared = 0;
  for (const char* text :
       {"What is unusual about this image?", "A short image description:",
        "Question: what size is the circle? Answer: large.", "a sign that says DOG",
        "two words, or 3 of them", "naïve café", "Wie viele Katzen sind auf dem Bild?"}) {
    Ids want;
    ASSERT_TRUE(library_.Encode(text, &want).ok());
    const bool in_bytes = std::ranges::any_of(want, [&](int id) { return library_.IsByte(id); });
    if (in_bytes && GetParam().kind == TokenizerKind::t5) continue;
    ++compared;
    if (GetParam().kind == TokenizerKind::llama) {
      want.insert(want.begin(), around.begin(), around.end());
    } else {
      want.insert(want.end(), around.begin(), around.end());
    }
    EXPECT_EQ(tokenizer->encode(text), want) << text;
  }
  EXPECT_GE(compared, 4);
}

// LAVIS decodes LLaMA's ids with the library, and strips the text. Without a tokenizer.model there
// is nothing for the library to read, and steps of ours follow it: TokenizerRules::slow_llama.
TEST_P(SentencePieceTest, DecodesIdsAsTheLibraryDoes) {
  if (GetParam().kind != TokenizerKind::llama) GTEST_SKIP() << "decoded by the reference's code";
  const test::TempDirectory directory;
  fs::copy_file(file_.parent_path() / "llama-tokenizer.json", directory / "tokenizer.json");
  const auto tokenizer = load_tokenizer(directory.path(), GetParam().kind, {.slow_llama = true});
  const Ids all = plain_ids();
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    Ids ids(1 + random() % 12);
    for (std::int32_t& id : ids) id = all[random() % all.size()];
    std::string want;
    ASSERT_TRUE(library_.Decode(ids, &want).ok());
    EXPECT_EQ(stripped(tokenizer->decode(ids, /*skip_special_tokens=*/true)), stripped(want))
        << testing::PrintToString(ids);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, SentencePieceTest,
    testing::Values(Case{"llama-tokenizer.model", TokenizerKind::llama, "tokenizer.model"},
                    Case{"t5-spiece.model", TokenizerKind::t5, "spiece.model"},
                    Case{"mt5-spiece.model", TokenizerKind::t5, "spiece.model"}),
    [](const auto& test) {
      const std::string file = test.param.file;
      return file.substr(0, file.find('-'));
    });

}  // namespace
}  // namespace instructblip
