#include "pipeline/text_stream.h"

#include <gtest/gtest.h>

#include <map>

namespace instructblip {
namespace {

// Id n is the n-th of a list of pieces.
class PieceTokenizer : public Tokenizer {
 public:
  explicit PieceTokenizer(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  std::vector<std::int32_t> encode(std::string_view) const override { return {}; }
  std::string decode(std::span<const std::int32_t> ids, bool) const override {
    std::string text;
    for (const std::int32_t id : ids) text += token(id);
    return text;
  }
  std::unique_ptr<TokenStream> decode_stream(bool) const override {
    return std::make_unique<Stream>(*this);
  }
  std::string token(std::int32_t id) const { return pieces_[static_cast<std::size_t>(id)]; }
  std::optional<std::int32_t> id_of(std::string_view) const override { return {}; }
  std::int32_t size() const override { return static_cast<std::int32_t>(pieces_.size()); }
  std::optional<std::int32_t> eos() const override { return {}; }
  std::optional<std::string> token_of(std::int32_t id) const override { return token(id); }
  const std::filesystem::path& file() const override { return file_; }

 private:
  class Stream : public TokenStream {
   public:
    explicit Stream(const PieceTokenizer& tokenizer) : tokenizer_(tokenizer) {}
    std::string put(std::int32_t id) override { return tokenizer_.token(id); }
    std::string finish() override { return {}; }

   private:
    const PieceTokenizer& tokenizer_;
  };

  std::vector<std::string> pieces_;
  std::filesystem::path file_;
};

std::vector<std::string> streamed(const std::vector<std::string>& pieces,
                                  const std::vector<std::string>& stops) {
  const PieceTokenizer tokenizer(pieces);
  TextStream stream(tokenizer, stops);
  std::vector<std::string> out;
  for (std::int32_t id = 0; id < tokenizer.size(); ++id) out.push_back(stream.put(id));
  out.push_back(stream.finish());
  return out;
}

using Pieces = std::vector<std::string>;

TEST(TextStream, HoldsBackWhatMayBecomeAStopString) {
  EXPECT_EQ(streamed({"a", "E", "N", "D"}, {"END"}), (Pieces{"a", "", "", "", ""}));
  EXPECT_EQ(streamed({"a", "E", "N", "x"}, {"END"}), (Pieces{"a", "", "", "ENx", ""}));
  EXPECT_EQ(streamed({"a", "EN"}, {"END"}), (Pieces{"a", "", "EN"}));
}

TEST(TextStream, CutsBeforeTheFirstOfSeveralStopStrings) {
  EXPECT_EQ(streamed({"one two three"}, {"three", "two"}), (Pieces{"one", ""}))
      << "stripped where it is cut";
  EXPECT_EQ(streamed({"one", " \n", " t", "hree", " END"}, {"END"}),
            (Pieces{"one", "", " \n t", "hree", "", ""}));
  EXPECT_EQ(streamed({"one ", "END"}, {"END"}), (Pieces{"one", "", ""}));
  EXPECT_EQ(streamed({"one "}, {"END"}), (Pieces{"one", ""}));
  EXPECT_EQ(streamed({"aab"}, {"ab"}), (Pieces{"a", ""}));
}

TEST(TextStream, WithoutStopStringsEverythingPasses) {
  EXPECT_EQ(streamed({"a", "b"}, {}), (Pieces{"a", "b", ""}));
}

}  // namespace
}  // namespace instructblip
