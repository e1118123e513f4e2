#include "text/text_checks.h"

#include "core/errors.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/utf8.h"

namespace instructblip {
namespace {

// Tokens that have an id beyond the embedding without harm: the image token of old directories, the
// padding of a tokenizer. Ids that a text really uses are checked when they are embedded.
constexpr std::int64_t kTokensWithoutRow = 64;

constexpr const char* kOtherTokenizer =
    "is the tokenizer of another model in this directory? It has to be the one that the checkpoint "
    "was trained with";

// "the word 'cat' (token 7)"
std::string named(const Tokenizer& tokenizer, std::int32_t id) {
  const auto token = tokenizer.token_of(id);
  return (token ? "the word " + quote(*token) : "a word") + " (token " + std::to_string(id) + ")";
}

std::string rows_of(const WordTable& table) {
  return "the " + std::to_string(table.rows) + " rows of the " + table.of + "'s words (" +
         table.key + ")";
}

[[noreturn]] void refuse(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorCode::invalid_argument, message, hint);
}

}  // namespace

void check_text(std::string_view text, const std::string& what) {
  if (static_cast<std::int64_t>(text.size()) > limits::kInstructionBytes) {
    refuse("the " + what + " has " + std::to_string(text.size()) + " bytes, expected at most " +
           std::to_string(limits::kInstructionBytes));
  }
  if (const auto offset = utf8::find_invalid(text)) {
    refuse("the " + what + " is not valid UTF-8 at byte " + std::to_string(*offset));
  }
}

void check_length(std::size_t tokens, std::int64_t most, const TextReader& reader) {
  if (static_cast<std::int64_t>(tokens) <= most) return;
  refuse("the " + reader.what + " becomes " + std::to_string(tokens) + " tokens of the " +
             reader.by + ", expected at most " + std::to_string(most),
         "shorten it: no text is cut in silence");
}

std::int64_t cut_to(const TokenLimit& limit, std::vector<std::int32_t>& tokens,
                    const TextReader& reader) {
  const std::int64_t too_many = std::ssize(tokens) - limit.tokens;
  if (too_many <= 0) return 0;
  const auto begin =
      limit.keeps_end ? tokens.begin() + limit.before : tokens.end() - limit.after - too_many;
  tokens.erase(begin, begin + too_many);
  log_warning("the " + reader.what + " becomes " + std::to_string(limit.tokens + too_many) +
              " tokens of the " + reader.by + ", which reads at most " +
              std::to_string(limit.tokens) + ": its " + (limit.keeps_end ? "beginning" : "end") +
              " is cut off");
  return too_many;
}

void check_table(const Tokenizer& tokenizer, const WordTable& table, bool warns,
                 std::string_view marker) {
  const std::string file = printable(tokenizer.file().string());
  const bool is_far_beyond = tokenizer.size() - kTokensWithoutRow > table.rows;
  for (const std::int32_t id : tokenizer.encode("")) {
    if (id < table.rows) continue;
    throw Error(ErrorCode::bad_model,
                file + ": " + named(tokenizer, id) + " is put around every text, but has none of " +
                    rows_of(table),
                kOtherTokenizer);
  }
  if (is_far_beyond) {
    log_warning(file + ": " + std::to_string(tokenizer.size()) + " tokens, more than " +
                rows_of(table) + ": texts with those that have none cannot be read. " +
                kOtherTokenizer);
  }
  if (!warns || is_far_beyond) return;
  for (auto id = static_cast<std::int32_t>(table.rows); id < tokenizer.size(); ++id) {
    const auto token = tokenizer.token_of(id);
    if (!token || *token == marker) continue;
    log_warning(file + ": " + named(tokenizer, id) + " has none of " + rows_of(table) +
                ": an instruction with it cannot be read. " + kOtherTokenizer);
    return;
  }
}

void check_ids(const Tokenizer& tokenizer, std::span<const std::int32_t> ids,
               const WordTable& table) {
  for (const std::int32_t id : ids) {
    if (id < table.rows) continue;
    throw Error(ErrorCode::bad_model,
                printable(tokenizer.file().string()) + ": " + named(tokenizer, id) +
                    " is in the text, but has none of " + rows_of(table),
                "leave the word out of the text; " + std::string(kOtherTokenizer));
  }
}

}  // namespace instructblip
