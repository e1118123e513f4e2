#include "decoding/watch.h"

#include <algorithm>
#include <string>

#include "instructblip/error.h"

namespace instructblip {

bool Watch::cancelled(int steps) const {
  if (request_->deadline && std::chrono::steady_clock::now() >= *request_->deadline) {
    throw Error(ErrorCode::deadline, "the deadline passed after " + std::to_string(steps) +
                                         (steps == 1 ? " step" : " steps") + " of decoding");
  }
  return request_->stop.stop_requested();
}

std::optional<FinishReason> Watch::finished(std::span<const std::int32_t> new_tokens) const {
  const auto& stop_ids = request_->stop_ids;
  if (std::find(stop_ids.begin(), stop_ids.end(), new_tokens.back()) != stop_ids.end()) {
    return FinishReason::stop;
  }
  if (request_->stops != nullptr && request_->stops->completes_stop(new_tokens)) {
    return FinishReason::stop;
  }
  if (new_tokens.size() >= static_cast<std::size_t>(*request_->options.max_new_tokens)) {
    return FinishReason::length;
  }
  return std::nullopt;
}

}  // namespace instructblip
