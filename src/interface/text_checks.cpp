#include "interface/text_checks.h"

#include "core/limits.h"
#include "core/log.h"
#include "core/utf8.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

// Tokens that have an id beyond the embedding without harm: the image token of old directories, the
// padding of a tokenizer. Ids that a text really uses are checked when they are embedded.
constexpr std::int64_t kTokensWithoutRow = 64;

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

void check_rows(const Tokenizer& tokenizer, std::int64_t rows, const std::string& which) {
  if (tokenizer.size() - kTokensWithoutRow <= rows) return;
  throw Error(ErrorCode::bad_model,
              which + " has " + std::to_string(tokenizer.size()) + " tokens, expected at most " +
                  std::to_string(rows) + ", the rows of the embedding",
              "is the tokenizer of another model in this directory?");
}

}  // namespace instructblip
