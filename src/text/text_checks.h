// The limits that a caller's text must keep. What concerns a table of words throws
// Error(bad_model), all else Error(invalid_argument).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/model_config.h"
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

// A table of words that a tokenizer's ids are looked up in.
struct WordTable {
  std::string of;   // "Q-Former", "language model"
  std::string key;  // key of config.json that says how many rows it has
  std::int64_t rows = 0;
};

// Whether a tokenizer fits a table, asked when both are loaded. Throws Error(bad_model) where a
// token that is put around every text has no row. Far more tokens than the table has rows are a
// warning, and with `warns` any token without a row, but for `marker`: texts without it can be
// read.
void check_table(const Tokenizer& tokenizer, const WordTable& table, bool warns,
                 std::string_view marker);

// The same of the ids of one text. Throws Error(bad_model), naming the word.
void check_ids(const Tokenizer& tokenizer, std::span<const std::int32_t> ids,
               const WordTable& table);

}  // namespace instructblip
