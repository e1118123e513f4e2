#include "text/sentencepiece_library.h"

#include <string>
#include <utility>

#include "core/errors.h"
#include "core/file.h"
#include "core/limits.h"
#include "core/module.h"
#include "text/sentencepiece_file.h"

namespace instructblip {
namespace {

using Open = decltype(instructblip_open_sentencepiece);

Open* library(const std::string& name) try {
  static auto* const open = reinterpret_cast<Open*>(
      open_module({"libinstructblip_sentencepiece.so", "instructblip_open_sentencepiece"}));
  return open;
} catch (const Error& error) {
  const std::string what = error.what();
  throw Error(ErrorCode::unsupported,
              name + ": expected the SentencePiece library, which reads it: " +
                  what.substr(0, what.find('\n')),
              "build with INSTRUCTBLIP_WITH_SENTENCEPIECE=ON, or install the library whole");
}

}  // namespace

std::unique_ptr<const SentencePieceModel> open_sentencepiece(const std::filesystem::path& file) {
  const std::string bytes = read_file(file, limits::kTokenizerBytes, ErrorCode::bad_model);
  const SentencePieceFile content = parse_sentencepiece(bytes, file);
  const std::string name = printable(file.string());
  // The library follows the offsets of such rules without looking where they lead.
  if (!content.charsmap.empty() || content.denormalizes) {
    throw Error(ErrorCode::unsupported,
                name +
                    ": expected a model that reads texts as they are, as LLaMA's does, got one "
                    "with rules of normalisation");
  }
  Open* const open = library(name);
  OpenedSentencePiece opened;
  open(bytes.data(), bytes.size(), opened);
  if (opened.model) return std::move(opened.model);
  throw Error(ErrorCode::bad_model,
              name + ": expected a SentencePiece model, which its library refuses: " +
                  printable(opened.fault),
              "is this a SentencePiece model, and complete?");
}

}  // namespace instructblip
