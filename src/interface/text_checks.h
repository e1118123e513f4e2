// The limits that a caller's text must keep. All throw Error(invalid_argument) but check_rows().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/model_config.h"
#include "text/tokenizer.h"

namespace instructblip {

// Valid UTF-8 and not too long; `what` is how messages call it: "instruction", "text".
void check_text(std::string_view text, const std::string& what);

struct TextReader {
  std::string what;  // is read
  std::string by;    // "Q-Former", "language model"
};
// No text is cut in silence.
void check_length(std::size_t tokens, std::int64_t most, const TextReader& reader);

// What `limit` leaves of `tokens`; returns how many it took away, which the log is told.
std::int64_t cut_to(const TokenLimit& limit, std::vector<std::int32_t>& tokens,
                    const TextReader& reader);

// Throws Error(bad_model) where `tokenizer` has more tokens than an embedding of `rows` can be
// meant for; `which` names it.
void check_rows(const Tokenizer& tokenizer, std::int64_t rows, const std::string& which);

}  // namespace instructblip
