#include <sentencepiece_processor.h>

#include <exception>
#include <stdexcept>

#include "text/sentencepiece_library.h"

namespace instructblip {
namespace {

void check(const sentencepiece::util::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

class LibraryModel final : public SentencePieceModel {
 public:
  explicit LibraryModel(std::string_view bytes) {
    check(processor_.LoadFromSerializedProto({bytes.data(), bytes.size()}));
  }

  std::int32_t size() const override { return processor_.GetPieceSize(); }
  const std::string& piece(std::int32_t id) const override { return processor_.IdToPiece(id); }
  std::optional<std::int32_t> find(std::string_view piece) const override {
    const std::int32_t id = processor_.PieceToId({piece.data(), piece.size()});
    return processor_.IdToPiece(id) == piece ? std::optional(id) : std::nullopt;
  }
  bool is_byte(std::int32_t id) const override { return processor_.IsByte(id); }
  bool is_normal(std::int32_t id) const override {
    return !processor_.IsByte(id) && !processor_.IsControl(id) && !processor_.IsUnknown(id) &&
           !processor_.IsUnused(id);
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids;
    check(processor_.Encode({text.data(), text.size()}, &ids));
    return ids;
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    check(processor_.Decode(std::vector<int>(ids.begin(), ids.end()), &text));
    return text;
  }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace
}  // namespace instructblip

void instructblip_open_sentencepiece(const char* bytes, std::size_t count,
                                     instructblip::OpenedSentencePiece& opened) noexcept {
  try {
    opened.model = std::make_unique<instructblip::LibraryModel>(std::string_view(bytes, count));
  } catch (const std::exception& error) {
    opened.fault = error.what();
  }
}
