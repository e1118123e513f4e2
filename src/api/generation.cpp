#include "instructblip/generation.h"

#include "decoding/options.h"

namespace instructblip {

void validate(const GenerationConfig& config) { validate_options(config); }

std::string_view to_string(FinishReason reason) noexcept {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "length";
}

}  // namespace instructblip
