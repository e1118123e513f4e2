// A language session whose logits are looked at before anybody believes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "decoding/language_session.h"

namespace instructblip {

class CheckedSession {
 public:
  explicit CheckedSession(LanguageSession& session)
      : session_(&session), vocabulary_(static_cast<std::size_t>(session.vocabulary())) {}

  std::size_t vocabulary() const { return vocabulary_; }

  // As LanguageSession's. Throw Error(bad_model) where a logit is not finite, naming the step (0
  // for the prompt), and Error(internal) for logits of another size than promised.
  std::span<const float> prefill();
  std::span<const float> step(std::span<const std::int32_t> sources,
                              std::span<const std::int32_t> tokens);

  double prefill_ms() const { return prefill_ms_; }

 private:
  std::span<const float> checked(std::span<const float> logits, std::size_t rows) const;

  LanguageSession* session_;
  std::size_t vocabulary_;
  int step_ = 0;
  double prefill_ms_ = 0;
};

}  // namespace instructblip
