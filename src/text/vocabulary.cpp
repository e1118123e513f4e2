#include "text/vocabulary.h"

#include "core/errors.h"
#include "core/limits.h"

namespace instructblip {

void check_token_length(std::string_view token, const std::string& where) {
  if (static_cast<std::int64_t>(token.size()) <= limits::kTokenBytes) return;
  throw Error(ErrorCode::bad_model, where + ": expected tokens of at most " +
                                        std::to_string(limits::kTokenBytes) + " bytes, got " +
                                        std::to_string(token.size()) + ": " + quote(token));
}

}  // namespace instructblip
