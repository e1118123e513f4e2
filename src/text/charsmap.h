// SentencePiece's compiled normalisation rules: a double-array trie from byte strings to
// replacements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip {

class Charsmap {
 public:
  // `blob`: the length of the trie in bytes (little endian), the trie, the replacements, each ended
  // by NUL. Throws Error(bad_model), headed by `where`.
  static Charsmap parse(std::string_view blob, const std::string& where);

  // The replacement of the *shortest* rule that is a prefix of `text`, for the whole of `text`: the
  // reference drops what is left of it.
  std::optional<std::u32string> transform(std::u32string_view text) const;

 private:
  std::vector<std::uint32_t> trie_;
  std::string replacements_;
};

// Standard alphabet, padding required. Throws Error(bad_model), headed by `where`.
std::string decode_base64(std::string_view text, const std::string& where);

}  // namespace instructblip
