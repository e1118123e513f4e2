#include "text/slow_llama_tokenizer.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "core/errors.h"
#include "core/utf8.h"
#include "text/sentencepiece_library.h"
#include "text/unicode.h"

namespace instructblip {
namespace {

// blip2_vicuna_instruct.py: begins and ends are </s>, and so is what is unknown.
constexpr std::string_view kEnd = "</s>";
constexpr std::string_view kPadding = "[PAD]";  // a token behind all pieces

std::string_view without_leading_spaces(std::string_view text) {
  while (!text.empty()) {
    const utf8::Decoded first = utf8::decode(text);
    if (!unicode::is_python_space(first.code_point)) break;
    text.remove_prefix(first.length);
  }
  return text;
}

std::string_view without_trailing_spaces(std::string_view text) {
  std::size_t kept = 0;
  for (std::size_t at = 0; at < text.size();) {
    const utf8::Decoded decoded = utf8::decode(text.substr(at));
    at += decoded.length;
    if (!unicode::is_python_space(decoded.code_point)) kept = at;
  }
  return text.substr(0, kept);
}

class SlowLlamaTokenizer final : public Tokenizer {
 public:
  explicit SlowLlamaTokenizer(std::filesystem::path file)
      : file_(std::move(file)),
        model_(open_sentencepiece(file_)),
        end_(require(kEnd)),
        padding_(model_->find(kPadding).value_or(model_->size())),
        special_{{{"<unk>", require("<unk>")},
                  {"<s>", require("<s>")},
                  {kEnd, end_},
                  {kPadding, padding_}}} {
    for (std::int32_t id = 0; id < model_->size() && anchor_ < 0; ++id) {
      if (model_->is_normal(id) && decoded({id}) == model_->piece(id)) anchor_ = id;
    }
    if (anchor_ < 0) fail("a piece that stands for its own text", "none");
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids = {end_};
    for (bool begins = true;; begins = false) {
      const Special* const special = first_special(text);
      std::string_view before =
          text.substr(0, special == nullptr ? text.npos : text.find(special->text));
      const std::size_t length = before.size();
      if (!begins) before = without_leading_spaces(before);
      if (special != nullptr) before = without_trailing_spaces(before);
      encode_plain(before, ids);
      if (special == nullptr) return ids;
      ids.push_back(special->id);
      text.remove_prefix(length + special->text.size());
    }
  }

  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const override {
    Stream stream(*this, skip_special_tokens);
    std::string text;
    for (const std::int32_t id : ids) text += stream.put(id);
    return text + stream.finish();
  }

  std::unique_ptr<TokenStream> decode_stream(bool skip_special_tokens) const override {
    return std::make_unique<Stream>(*this, skip_special_tokens);
  }

  std::optional<std::int32_t> id_of(std::string_view token) const override {
    return token == kPadding ? padding_ : model_->find(token);
  }
  std::optional<std::string> token_of(std::int32_t id) const override {
    if (id == padding_) return std::string(kPadding);
    return id >= 0 && id < model_->size() ? std::optional(model_->piece(id)) : std::nullopt;
  }
  std::int32_t size() const override { return std::max(model_->size(), padding_ + 1); }
  std::optional<std::int32_t> eos() const override { return end_; }
  const std::filesystem::path& file() const override { return file_; }

 private:
  struct Special {
    std::string_view text;
    std::int32_t id;
  };

  // Hands pieces to the library as soon as no later one can change what becomes of them: bytes with
  // the piece that follows them, since several may be one character.
  class Stream final : public TokenStream {
   public:
    Stream(const SlowLlamaTokenizer& tokenizer, bool skip_special)
        : tokenizer_(tokenizer), skip_special_(skip_special) {}

    std::string put(std::int32_t id) override {
      const bool is_special = tokenizer_.leaves_out(id);
      if (is_special && !skip_special_) {
        std::string text = finish() + *tokenizer_.token_of(id);
        begun_ = false;
        return text;
      }
      if (is_special || id < 0 || id >= tokenizer_.model_->size()) return {};
      held_.push_back(id);
      return tokenizer_.model_->is_byte(id) ? std::string() : settled();
    }

    std::string finish() override { return held_.empty() ? std::string() : settled(); }

   private:
    // The library strips a space where a text begins, so that what continues one goes behind a
    // piece that is cut off again.
    std::string settled() {
      if (begun_) held_.insert(held_.begin(), tokenizer_.anchor_);
      std::string text = tokenizer_.decoded(held_);
      if (begun_) text.erase(0, tokenizer_.model_->piece(tokenizer_.anchor_).size());
      if (begun_ || !text.empty()) held_.clear();
      begun_ = begun_ || !text.empty();
      return text;
    }

    const SlowLlamaTokenizer& tokenizer_;
    bool skip_special_;
    bool begun_ = false;  // there is text
    std::vector<std::int32_t> held_;
  };

  [[noreturn]] void fail(const std::string& expected, const std::string& got) const {
    throw Error(ErrorCode::bad_model,
                printable(file_.string()) + ": expected " + expected + ", got " + got,
                "is this the tokenizer.model of a Vicuna?");
  }

  std::int32_t require(std::string_view piece) const {
    const auto id = model_->find(piece);
    if (!id) fail("the piece " + quote(piece), "none");
    return *id;
  }

  // LAVIS makes </s> of <unk> before it decodes, and leaves out both.
  bool leaves_out(std::int32_t id) const {
    return id == end_ || id == padding_ || id == special_.front().id;
  }

  // The one that stands first in `text`; null: none does.
  const Special* first_special(std::string_view text) const {
    const Special* first = nullptr;
    std::size_t place = text.npos;
    for (const Special& special : special_) {
      const std::size_t found = text.find(special.text);
      if (found < place) {
        first = &special;
        place = found;
      }
    }
    return first;
  }

  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
    if (text.empty()) return;
    try {
      const std::vector<std::int32_t> more = model_->encode(text);
      ids.insert(ids.end(), more.begin(), more.end());
    } catch (const std::runtime_error& error) {
      fail("a model that encodes " + quote(text), printable(error.what()));
    }
  }

  std::string decoded(const std::vector<std::int32_t>& ids) const {
    try {
      return model_->decode(ids);
    } catch (const std::runtime_error& error) {
      fail("a model that decodes its pieces", printable(error.what()));
    }
  }

  std::filesystem::path file_;
  std::unique_ptr<const SentencePieceModel> model_;
  std::int32_t end_, padding_;
  std::array<Special, 4> special_;
  std::int32_t anchor_ = -1;
};

}  // namespace

std::unique_ptr<const Tokenizer> load_slow_llama(const std::filesystem::path& file) {
  return std::make_unique<SlowLlamaTokenizer>(file);
}

}  // namespace instructblip
