// Questions and whole prompts of the models that chat: what words a question is put in, and whether
// a text is a prompt that lacks its picture.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "config/model_config.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace instructblip {

// The chat template that the reference's processor takes from `directory`. Where there is none and
// the tokenizer has one that would put a question in other words than `words`, the log is warned:
// the reference's processor does not read that one.
std::optional<ChatTemplate> chat_template(const std::filesystem::path& directory,
                                          TokenizerKind kind,
                                          const PromptConfig::ChatFormat& words);

// The words that `chat` puts before and behind a question; `otherwise` where it makes no prompt.
PromptConfig::ChatFormat words_of(const ChatTemplate& chat, PromptConfig::ChatFormat otherwise);

// `text` has no <image>. Throws Error(invalid_argument) where it has the shape of a whole prompt
// all the same: in more words around it, it would be answered wrongly without a word about it. The
// reference refuses such a prompt too, for having no image token.
void refuse_forgotten_picture(std::string_view text, const PromptConfig::ChatFormat& words);

}  // namespace instructblip
