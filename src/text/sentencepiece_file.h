// What a SentencePiece .model file holds. Only the file is read here, within limits: what encodes
// by it is code of ours where the reference's is its own (slow_conversion.h), and the library
// itself where that is the reference (sentencepiece_library.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip {

struct SentencePieceFile {
  enum class Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::normal;
  };
  enum class Algorithm { unigram = 1, bpe = 2 };

  std::vector<Piece> pieces;
  Algorithm algorithm = Algorithm::unigram;
  std::int32_t unknown_id = 0;
  std::string unknown_piece = "<unk>";
  std::string charsmap;       // empty: no rules
  bool denormalizes = false;  // there are rules for texts that are made of pieces
};

// Throws Error: not_found, bad_model, or unsupported for other algorithms.
SentencePieceFile read_sentencepiece_file(const std::filesystem::path& file);
// The same of what was read from `file`, which messages name.
SentencePieceFile parse_sentencepiece(std::string_view content, const std::filesystem::path& file);

}  // namespace instructblip
