// What a SentencePiece .model file holds. Only the file is read here: the reference, too, takes
// pieces and rules from it and encodes with its own code, whose results differ from
// SentencePiece's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
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
  std::string charsmap;  // empty: no rules
};

// Throws Error: not_found, bad_model, or unsupported for other algorithms.
SentencePieceFile read_sentencepiece_file(const std::filesystem::path& file);

}  // namespace instructblip
