#include "text/streaming_detokenizer.h"

namespace instructblip {

StreamingDetokenizer::StreamingDetokenizer(const Tokenizer& tokenizer)
    : stream_(tokenizer.decode_stream(/*skip_special_tokens=*/true)),
      strip_({strip_white_space_step()}) {}

std::string StreamingDetokenizer::put(std::int32_t id) {
  std::string piece = strip_.put(stream_->put(id));
  emitted_ += piece;
  return piece;
}

std::string StreamingDetokenizer::finish() {
  std::string piece = strip_.put(stream_->finish()) + strip_.finish();
  emitted_ += piece;
  return piece;
}

}  // namespace instructblip
