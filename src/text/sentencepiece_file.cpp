#include "text/sentencepiece_file.h"

#include <bit>
#include <cmath>
#include <string_view>
#include <utility>

#include "core/errors.h"
#include "core/file.h"
#include "core/foreign_file.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "text/vocabulary.h"

namespace instructblip {
namespace {

// One field of a message in the wire format of Protocol Buffers.
struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  // a varint or a fixed number
  std::string_view bytes;   // a string or a message
};

// Walks the fields of one message; every length is held against the bytes present.
class Message {
 public:
  Message(std::string_view bytes, const std::string& name) : rest_(bytes), name_(name) {}

  // False at the end.
  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t key = varint();
    field = {.number = key >> 3, .value = 0, .bytes = {}};
    switch (key & 7) {
      case 0:
        field.value = varint();
        break;
      case 1:
        field.value = fixed(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.value = fixed(4);
        break;
      default:
        fail("a field of wire type 0, 1, 2 or 5, got type " + std::to_string(key & 7));
    }
    return true;
  }

  [[noreturn]] void fail(const std::string& expected) const {
    throw Error(ErrorCode::bad_model, name_ + ": expected " + expected,
                "is this a SentencePiece model, and complete?");
  }

 private:
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) {
      fail(std::to_string(count) + " more bytes, got " + std::to_string(rest_.size()));
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of at most ten bytes");
  }

  std::uint64_t fixed(std::size_t width) {
    const std::string_view bytes = take(width);
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }

  std::string_view rest_;
  const std::string& name_;
};

std::string text_of(const Field& field, const Message& message) {
  if (utf8::find_invalid(field.bytes)) message.fail("a text in UTF-8, got " + quote(field.bytes));
  return std::string(field.bytes);
}

SentencePieceFile::Piece read_piece(std::string_view bytes, const std::string& name) {
  SentencePieceFile::Piece piece;
  Message message(bytes, name);
  for (Field field; message.next(field);) {
    if (field.number == 1) piece.text = text_of(field, message);
    if (field.number == 2)
      piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
    if (field.number == 3) {
      if (field.value < 1 || field.value > 6) message.fail("a piece of type 1 to 6");
      piece.type = static_cast<SentencePieceFile::Type>(field.value);
    }
  }
  check_token_length(piece.text, name);
  if (!std::isfinite(piece.score)) message.fail("a finite score of " + quote(piece.text));
  return piece;
}

void read_trainer(std::string_view bytes, const std::string& name, SentencePieceFile& file) {
  Message message(bytes, name);
  for (Field field; message.next(field);) {
    if (field.number == 3) {
      if (field.value != 1 && field.value != 2) {
        throw Error(ErrorCode::unsupported, name + ": expected a Unigram or BPE model, got type " +
                                                std::to_string(field.value));
      }
      file.algorithm = static_cast<SentencePieceFile::Algorithm>(field.value);
    }
    if (field.number == 40) file.unknown_id = static_cast<std::int32_t>(field.value);
    if (field.number == 45) file.unknown_piece = text_of(field, message);
  }
}

// A field of another wire type counts for nothing, as in Protocol Buffers.
void read_rules(std::string_view bytes, const std::string& name, std::string& charsmap) {
  Message message(bytes, name);
  for (Field field; message.next(field);) {
    if (field.number == 2 && !field.bytes.empty()) charsmap = field.bytes;
  }
}

}  // namespace

SentencePieceFile read_sentencepiece_file(const std::filesystem::path& path) {
  return parse_sentencepiece(read_file(path, limits::kTokenizerBytes, ErrorCode::bad_model), path);
}

SentencePieceFile parse_sentencepiece(std::string_view content, const std::filesystem::path& path) {
  const std::string name = printable(path.string());
  refuse_foreign(recognise_foreign_or_weights(content), path.string(), "a SentencePiece model");
  SentencePieceFile file;
  Message message(content, name);
  for (Field field; message.next(field);) {
    if (field.number == 1) {
      if (static_cast<std::int64_t>(file.pieces.size()) == limits::kSize) {
        message.fail("at most " + std::to_string(limits::kSize) + " pieces");
      }
      file.pieces.push_back(read_piece(field.bytes, name));
    }
    if (field.number == 2) read_trainer(field.bytes, name, file);
    if (field.number == 3) read_rules(field.bytes, name, file.charsmap);
    if (field.number == 5) {
      std::string rules;
      read_rules(field.bytes, name, rules);
      file.denormalizes = file.denormalizes || !rules.empty();
    }
  }
  if (file.pieces.empty()) message.fail("pieces, got none");
  if (file.unknown_id < 0 || static_cast<std::size_t>(file.unknown_id) >= file.pieces.size()) {
    message.fail("an unk_id below " + std::to_string(file.pieces.size()) + ", got " +
                 std::to_string(file.unknown_id));
  }
  return file;
}

}  // namespace instructblip
