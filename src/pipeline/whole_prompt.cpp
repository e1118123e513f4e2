#include "pipeline/whole_prompt.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/errors.h"
#include "core/log.h"

namespace instructblip {
namespace {

constexpr std::string_view kMarker = "<image>";

// Ask for the answer at the end of a prompt: no question ends with one.
constexpr std::array<std::string_view, 10> kCues = {
    "ASSISTANT:",         "Assistant:",           "[/INST]", "<|im_start|>assistant",
    "<|assistant|>",      "<start_of_turn>model", "GPT:",    "<|end_header_id|>",
    "<|start|>assistant", "### Response:"};
// Begin a turn: no question begins with one.
constexpr std::array<std::string_view, 9> kTurns = {
    "USER:",    "[INST]",          "<|im_start|>", "<|start_header_id|>", "<|begin_of_text|>",
    "<|user|>", "<start_of_turn>", "### Human:",   "### Instruction:"};
// Stand between turns.
constexpr std::array<std::string_view, 5> kBetween = {" ASSISTANT:", "[/INST]", "<|im_end|>",
                                                      "<|eot_id|>", "###Assistant:"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// What in `text` only a whole prompt has, or nothing.
std::string_view sign_of_prompt(std::string_view text, const PromptConfig::ChatFormat& words) {
  text = trimmed(text);
  if (text.starts_with("<s>")) text = trimmed(text.substr(3));
  const std::string_view head =
      trimmed(std::string_view(words.before)
                  .substr(0, std::min(words.before.find(kMarker), words.before.size())));
  const std::string_view cue = trimmed(words.after);
  const bool known = !head.empty() && !cue.empty();
  if (known && text.starts_with(head) && text.ends_with(cue)) return cue;
  const auto ends = [&](std::string_view other_cue) { return text.ends_with(other_cue); };
  if (const auto found = std::ranges::find_if(kCues, ends); found != kCues.end()) return *found;
  const auto begins = [&](std::string_view turn) { return text.starts_with(turn); };
  if (const auto found = std::ranges::find_if(kTurns, begins); found != kTurns.end()) return *found;
  // Two signs of turns are no accident: a system's words may stand before them.
  const auto holds = [&](std::string_view sign) {
    return text.find(sign) != std::string_view::npos;
  };
  const auto turn = std::ranges::find_if(kTurns, holds);
  return turn != kTurns.end() && std::ranges::any_of(kBetween, holds) ? *turn : std::string_view();
}

}  // namespace

std::optional<ChatTemplate> chat_template(const std::filesystem::path& directory,
                                          TokenizerKind kind,
                                          const PromptConfig::ChatFormat& words) {
  auto found = ChatTemplate::read(directory, ChatTemplate::Of::processor, kind);
  if (found) return found;
  const auto other = ChatTemplate::read(directory, ChatTemplate::Of::tokenizer, kind);
  if (!other) return std::nullopt;
  constexpr std::string_view kQuestion = "What is it?";
  std::string prompt;
  try {
    prompt = other->prompt(kQuestion);
  } catch (const Error&) {  // in which words it would be put stays open
  }
  std::string_view rest = prompt;
  if (!other->begin_token().empty() && rest.starts_with(other->begin_token())) {
    rest.remove_prefix(other->begin_token().size());
  }
  const std::string ours = words.before + std::string(kQuestion) + words.after;
  if (trimmed(rest) == trimmed(ours)) return std::nullopt;
  log_warning(other->file() +
              ": has a chat template, which transformers' processor does not read, "
              "and there is no chat_template.json or chat_template.jinja: a question is put as " +
              quote(ours) +
              "; to have it in other words, give the whole prompt with <image> in it");
  return std::nullopt;
}

PromptConfig::ChatFormat words_of(const ChatTemplate& chat, PromptConfig::ChatFormat otherwise) {
  constexpr std::string_view kQuestion = "instructblip question";
  std::string prompt;
  try {
    prompt = chat.prompt(kQuestion);
  } catch (const Error&) {  // told of when it is asked a question
    return otherwise;
  }
  const std::size_t at = prompt.find(kQuestion);
  if (at == std::string::npos) return otherwise;
  return {prompt.substr(0, at), prompt.substr(at + kQuestion.size())};
}

void refuse_forgotten_picture(std::string_view text, const PromptConfig::ChatFormat& words) {
  const std::string_view sign = sign_of_prompt(text, words);
  if (sign.empty()) return;
  throw Error(ErrorCode::invalid_argument,
              "the instruction has " + quote(sign) +
                  " as a whole prompt has, but no <image>, expected one where the picture stands",
              "put <image> into the prompt, or ask the question alone: words are put around it");
}

}  // namespace instructblip
