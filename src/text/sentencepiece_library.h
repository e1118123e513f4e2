// The SentencePiece library, where it is itself what the reference encodes and decodes with. It is
// opened with the first model that is read by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip {

// A model as the library runs it. Immutable; safe to use from any thread. What the library refuses
// is a std::runtime_error with its reason.
class SentencePieceModel {
 public:
  virtual ~SentencePieceModel() = default;
  virtual std::int32_t size() const = 0;
  // Ids are those of pieces, from 0 to size() - 1.
  virtual const std::string& piece(std::int32_t id) const = 0;
  virtual std::optional<std::int32_t> find(std::string_view piece) const = 0;
  // A piece that stands for one byte, <0x41>.
  virtual bool is_byte(std::int32_t id) const = 0;
  // A piece that stands for its own text.
  virtual bool is_normal(std::int32_t id) const = 0;
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
};

// `file` is read by our bounded reader first. Throws Error: not_found, bad_model, unsupported,
// which is also a build without the library.
std::unique_ptr<const SentencePieceModel> open_sentencepiece(const std::filesystem::path& file);

struct OpenedSentencePiece {
  std::unique_ptr<const SentencePieceModel> model;
  std::string fault;  // why there is none
};

}  // namespace instructblip

// The one function of the module that is linked to the library.
extern "C" __attribute__((visibility("default"))) void instructblip_open_sentencepiece(
    const char* bytes, std::size_t count, instructblip::OpenedSentencePiece& opened) noexcept;
