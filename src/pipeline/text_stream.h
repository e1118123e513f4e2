// An answer's text while it grows, cut before a stop string.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/streaming_detokenizer.h"
#include "text/tokenizer.h"

namespace instructblip {

// The pieces of a streamed answer: whole characters, never a stop string nor what may become one.
// All pieces concatenated equal the final text.
class TextStream {
 public:
  TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops)
      : detokenizer_(tokenizer), stops_(std::move(stops)) {}

  std::string put(std::int32_t id);
  // What was held back; call once, after the last id.
  std::string finish();

 private:
  // Emits up to `end` of the text so far.
  std::string emit_to(std::size_t end);
  // Where the text so far may have to be cut by what follows.
  std::size_t safe_length() const;

  StreamingDetokenizer detokenizer_;
  std::vector<std::string> stops_;
  std::size_t emitted_ = 0;
};

}  // namespace instructblip
