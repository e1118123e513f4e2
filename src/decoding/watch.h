// Who is told about the steps of a decoding loop, and what ends it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "decoding/search.h"

namespace instructblip {

class Watch {
 public:
  explicit Watch(const DecodeRequest& request) : request_(&request) {}

  // Before the model runs, after `steps` steps. True: end here, cancelled. Throws Error(deadline).
  bool cancelled(int steps) const;

  // After a step; `id` is -1 where no single token was chosen.
  Flow tell(std::int32_t id) const { return request_->on_step ? request_->on_step(id) : Flow::go; }

  // Why an answer is complete: an end token or a stop string, else its length; none where it goes
  // on. `new_tokens` is not empty.
  std::optional<FinishReason> finished(std::span<const std::int32_t> new_tokens) const;

 private:
  const DecodeRequest* request_;
};

}  // namespace instructblip
