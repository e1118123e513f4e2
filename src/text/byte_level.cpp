#include "text/byte_level.h"

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/utf8.h"
#include "text/unicode.h"

namespace instructblip {
namespace {

// The printable ones of Latin-1 stand for themselves, the others for the codes from U+0100 on.
constexpr bool is_its_own_code(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> kCodes = [] {
  std::array<char32_t, 256> codes{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    codes[static_cast<std::size_t>(byte)] =
        is_its_own_code(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return codes;
}();

// The byte that a character stands for, or -1; all of them lie below U+0144.
constexpr std::array<std::int16_t, 0x144> kBytes = [] {
  std::array<std::int16_t, 0x144> bytes{};
  for (std::int16_t& byte : bytes) byte = -1;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    bytes[kCodes[byte]] = static_cast<std::int16_t>(byte);
  }
  return bytes;
}();

enum class Kind { space, letter, number, other };

Kind kind_of(char32_t code) {
  if (unicode::is_letter(code)) return Kind::letter;
  if (unicode::is_number(code)) return Kind::number;
  return unicode::is_white_space(code) ? Kind::space : Kind::other;
}

std::size_t end_of_run(std::u32string_view text, std::size_t begin) {
  const Kind kind = kind_of(text[begin]);
  std::size_t end = begin + 1;
  while (end < text.size() && kind_of(text[end]) == kind) ++end;
  return end;
}

// The end of the first match in `text`, which is not empty, of
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// Some alternative matches wherever a text starts.
std::size_t first_word(std::u32string_view text) {
  constexpr std::array<std::u32string_view, 7> kContractions = {U"'s", U"'t",  U"'re", U"'ve",
                                                                U"'m", U"'ll", U"'d"};
  for (const std::u32string_view contraction : kContractions) {
    if (text.starts_with(contraction)) return contraction.size();
  }
  const std::size_t body = text.front() == U' ' ? 1 : 0;
  if (body < text.size() && kind_of(text[body]) != Kind::space) return end_of_run(text, body);
  // White space leaves its last character to the word behind it, unless that is all there is.
  const std::size_t end = end_of_run(text, 0);
  return end == text.size() || end == 1 ? end : end - 1;
}

class ByteLevel final : public PreTokenizer {
 public:
  explicit ByteLevel(const ByteLevelOptions& options) : options_(options) {}

  void apply(std::vector<Piece>& pieces) const override {
    std::vector<Piece> parts;
    parts.reserve(pieces.size());
    for (Piece& piece : pieces) {
      if (piece.id) {
        parts.push_back(std::move(piece));
        continue;
      }
      if (piece.text.empty()) continue;
      if (options_.add_prefix_space && piece.text.codes().front() != U' ') piece.text.prepend(U" ");
      append_words(piece.text, parts);
    }
    for (Piece& part : parts) {
      if (!part.id) write_as_bytes(part.text);
    }
    pieces = std::move(parts);
  }

 private:
  void append_words(const NormalizedText& text, std::vector<Piece>& parts) const {
    const std::u32string_view codes = text.codes();
    for (std::size_t begin = 0; begin < codes.size();) {
      const std::size_t end =
          options_.split_words ? begin + first_word(codes.substr(begin)) : codes.size();
      parts.push_back({text.slice(begin, end), std::nullopt});
      begin = end;
    }
  }

  static void write_as_bytes(NormalizedText& text) {
    std::vector<Rewrite> rewrites;
    std::string bytes;
    for (const char32_t code : text.codes()) {
      bytes.clear();
      utf8::append(bytes, code);
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        rewrites.push_back({byte_level_code(static_cast<unsigned char>(bytes[i])), i > 0 ? 1 : 0});
      }
    }
    text.transform(rewrites);
  }

  ByteLevelOptions options_;
};

// Bytes become text once no later byte can change them.
class ByteLevelText final : public DecodeStep {
 public:
  void put(std::string token, const TextSink& next) override {
    bytes_ += bytes_of(std::move(token));
    const std::size_t complete = utf8::complete_prefix(bytes_);
    if (complete == 0) return;
    next(utf8::replace_invalid(std::string_view(bytes_).substr(0, complete)));
    bytes_.erase(0, complete);
  }

  void finish(const TextSink& next) override {
    if (!bytes_.empty()) next(utf8::replace_invalid(std::exchange(bytes_, {})));
  }

 private:
  // A token with a character that stands for no byte is taken as it is.
  static std::string bytes_of(std::string token) {
    std::string bytes;
    for (const char32_t code : utf8::to_utf32(token)) {
      const int byte = code < kBytes.size() ? kBytes[code] : -1;
      if (byte < 0) return token;
      bytes += static_cast<char>(static_cast<unsigned char>(byte));
    }
    return bytes;
  }

  std::string bytes_;  // what the last put() left: the start of a character, at most three bytes
};

}  // namespace

PreTokenizerPtr byte_level_pre_tokenizer(const ByteLevelOptions& options) {
  return std::make_shared<ByteLevel>(options);
}

DecodeStepMaker byte_level_step() {
  return [] { return std::make_unique<ByteLevelText>(); };
}

char32_t byte_level_code(unsigned char byte) { return kCodes[byte]; }

}  // namespace instructblip
