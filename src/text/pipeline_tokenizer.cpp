#include <algorithm>
#include <utility>

#include "core/errors.h"
#include "core/utf8.h"
#include "text/tokenizer_parts.h"

namespace instructblip {
namespace {

class PipelineTokenizer final : public Tokenizer {
 public:
  explicit PipelineTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
    if (parts_.clean_up_spaces) {
      for (DecodeStepMaker& step : cleanup_steps()) parts_.decoder.push_back(std::move(step));
    }
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<Piece> pieces = parts_.added.split(utf8::to_utf32(text), parts_.normalizer.get());
    if (parts_.pre_tokenizer) parts_.pre_tokenizer->apply(pieces);
    std::vector<std::int32_t> ids;
    for (const Piece& piece : pieces) {
      if (piece.id) {
        ids.push_back(*piece.id);
      } else {
        tokenize(utf8::from_utf32(piece.text.codes()), ids);
      }
    }
    return post_process(parts_.post_processor, std::move(ids));
  }

  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const override {
    const std::unique_ptr<TokenStream> stream = decode_stream(skip_special_tokens);
    std::string text;
    for (const std::int32_t id : ids) text += stream->put(id);
    return text + stream->finish();
  }

  std::unique_ptr<TokenStream> decode_stream(bool skip_special_tokens) const override {
    return std::make_unique<Stream>(*this, skip_special_tokens);
  }

  std::optional<std::int32_t> id_of(std::string_view token) const override {
    return parts_.find(token);
  }

  std::int32_t size() const override {
    return std::max(parts_.model->vocabulary().end(), parts_.added.end());
  }
  std::optional<std::int32_t> eos() const override { return parts_.eos; }
  std::optional<std::string> token_of(std::int32_t id) const override {
    const std::string* token = text_of(id);
    return token == nullptr ? std::nullopt : std::optional(*token);
  }
  const std::filesystem::path& file() const override { return parts_.file; }
  TextLength length() const override { return parts_.length; }

 private:
  class Stream final : public TokenStream {
   public:
    Stream(const PipelineTokenizer& tokenizer, bool skip_special)
        : tokenizer_(tokenizer), skip_special_(skip_special), chain_(tokenizer.parts_.decoder) {}
    std::string put(std::int32_t id) override {
      const std::string* token = tokenizer_.text_of(id);
      const bool skipped =
          token == nullptr || (skip_special_ && tokenizer_.parts_.added.is_special(*token));
      return skipped ? std::string() : chain_.put(*token);
    }
    std::string finish() override { return chain_.finish(); }

   private:
    const PipelineTokenizer& tokenizer_;
    bool skip_special_;
    DecodeChain chain_;
  };

  // A word that the model has no token for names the file that lacks it.
  void tokenize(const std::string& word, std::vector<std::int32_t>& ids) const {
    try {
      parts_.model->tokenize(word, ids);
    } catch (const Error& error) {
      throw Error(error.code(), printable(parts_.file.string()) + ": " + error.what());
    }
  }

  // As the files spell it; null for an id without a token.
  const std::string* text_of(std::int32_t id) const {
    if (const AddedToken* added = parts_.added.token(id)) return &added->content;
    return parts_.model->vocabulary().token(id);
  }

  TokenizerParts parts_;
};

}  // namespace

std::unique_ptr<const Tokenizer> make_tokenizer(TokenizerParts parts) {
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace instructblip
