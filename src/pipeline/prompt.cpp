#include "pipeline/prompt.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <variant>

#include "core/errors.h"
#include "core/limits.h"
#include "pipeline/whole_prompt.h"
#include "text/text_checks.h"

namespace instructblip {
namespace {

// What the tokenizer's files leave open follows from the language model.
TokenizerKind kind_of(const T5Config&) { return TokenizerKind::t5; }
TokenizerKind kind_of(const LlamaConfig&) { return TokenizerKind::llama; }
TokenizerKind kind_of(const OptConfig&) { return TokenizerKind::gpt2; }
TokenizerKind kind_of(const LanguageConfig& text) {
  return std::visit([](const auto& config) { return kind_of(config); }, text);
}

// The id that today's processor gives the token when it adds it to an old tokenizer. Its row may be
// a spare one of the vocabulary, which the repetition penalty then counts as part of the prompt.
std::int32_t added_image_token(const Tokenizer& tokenizer, const std::string& marker) {
  return tokenizer.id_of(marker).value_or(tokenizer.size());
}

// The limit of so many tokens, in which the special ones have to find room. 0 is no limit, as the
// reference's tokenizers take it.
std::optional<TokenLimit> limit_of(const Tokenizer& tokenizer,
                                   const std::optional<std::int64_t>& tokens) {
  if (!tokens || *tokens == 0) return std::nullopt;
  const std::vector<std::int32_t> around = tokenizer.encode(""), one = tokenizer.encode("a");
  const auto before = std::ranges::mismatch(around, one).in1 - around.begin();
  const std::int64_t specials = std::ssize(around);
  if (*tokens >= specials) {
    return TokenLimit{*tokens, before, specials - before, tokenizer.length().keeps_end};
  }
  throw Error(ErrorCode::bad_model,
              printable(tokenizer.file().string()) + ": texts are cut to " +
                  std::to_string(*tokens) + " tokens, expected " + std::to_string(specials) +
                  " at least, beside the rows of a picture",
              "take max_length out of tokenizer_config.json, truncation and padding out of "
              "tokenizer.json");
}

[[noreturn]] void refuse(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorCode::invalid_argument, message, hint);
}

}  // namespace

PromptFiles read_prompt_files(const std::filesystem::path& directory, const ModelConfig& config) {
  const PromptConfig& prompt = config.prompt;
  const TokenizerKind kind = kind_of(config.text);
  PromptFiles files{
      load_tokenizer(directory, kind, {prompt.clean_up_spaces, prompt.by_sentencepiece}), nullptr};
  if (prompt.chat) files.chat = chat_template(directory, kind, *prompt.chat);
  if (config.qformer && config.qformer->reads_instruction) {
    files.qformer = load_tokenizer(directory / "qformer_tokenizer", TokenizerKind::bert);
  }
  return files;
}

PromptBuilder::PromptBuilder(PromptFiles files, const ModelConfig& config,
                             std::int64_t embedding_rows)
    : config_(config.prompt),
      bos_(config.prompt.bos_alone ? config.generation.bos : std::nullopt),
      tokenizer_(std::move(files.language)),
      qformer_tokenizer_(std::move(files.qformer)),
      template_(std::move(files.chat)),
      max_positions_(std::holds_alternative<TiledProjectionConfig>(config.projection)
                         ? limits::kTiledPromptTokens
                         : limits::kPromptTokens),
      image_token_(config_.image_token ? *config_.image_token
                                       : added_image_token(*tokenizer_, config_.image_marker)),
      ends_texts_(std::holds_alternative<T5Config>(config.text)),
      words_{"language model", "text_config.vocab_size", embedding_rows} {
  if (!config.generation.eos.empty()) end_token_ = config.generation.eos.front();
  if (config_.newline_ends) end_token_ = answer("\n", /*with_end=*/false).front();
  check_table(*tokenizer_, words_, /*warns=*/false, config_.image_marker);
  check_image_token();
  if (template_) config_.chat = words_of(*template_, *config_.chat);
  if (config_.cuts_as_tokenizer) cut_as_tokenizer(config);
  if (!qformer_tokenizer_) return;
  max_qformer_tokens_ = config.qformer->max_positions;
  qformer_words_.rows = config.qformer->vocabulary;
  check_table(*qformer_tokenizer_, qformer_words_, /*warns=*/true, config_.image_marker);
}

// transformers/models/instructblip/processing_instructblip.py and blip_2's: the queries of a
// picture come off the language model's length, and the Q-Former's tokenizer takes the same one
// undiminished. A model that chats has its pictures among the tokens, as many as there are.
void PromptBuilder::cut_as_tokenizer(const ModelConfig& config) {
  const TextLength length = tokenizer_->length();
  const auto own = length.to_own_length ? length.own_length : std::nullopt;
  if (config_.chat) {
    prompt_limit_ = limit_of(*tokenizer_, length.tokens ? length.tokens : own);
    return;
  }
  config_.language_limit = limit_of(
      *tokenizer_, length.tokens ? std::optional(*length.tokens - config.qformer->queries) : own);
  if (!qformer_tokenizer_) return;
  const auto own_of_qformer =
      length.to_own_length ? qformer_tokenizer_->length().own_length : std::nullopt;
  config_.qformer_limit =
      limit_of(*qformer_tokenizer_, length.tokens ? length.tokens : own_of_qformer);
}

// Pictures stand where their marks are, and are not cut.
void PromptBuilder::cut_prompt(Instruction& instruction, std::int64_t visual) const {
  if (!prompt_limit_) return;
  TokenLimit limit = *prompt_limit_;
  limit.tokens -= visual;
  if (instruction.has_own_begin) limit.before = limit.after = 0;
  std::vector<std::size_t>& marks = instruction.marks;
  const std::int64_t too_many = std::ssize(instruction.language) - limit.tokens;
  const std::int64_t begin = limit.keeps_end ? limit.before : limit.tokens - limit.after;
  const std::int64_t end = begin + std::max<std::int64_t>(too_many, 0);
  const bool all_stay = limit.tokens >= limit.before + limit.after &&
                        std::ranges::all_of(marks, [&](std::size_t mark) {
                          const auto place = static_cast<std::int64_t>(mark);
                          return too_many <= 0 || (limit.keeps_end ? place >= end : place <= begin);
                        });
  if (!all_stay) {
    refuse("the prompt has " + std::to_string(std::ssize(instruction.language) + visual) +
               " tokens, of which the tokenizer's files keep " +
               std::to_string(prompt_limit_->tokens) + ", expected room for the whole picture",
           "take max_length out of tokenizer_config.json, truncation and padding out of "
           "tokenizer.json");
  }
  if (too_many <= 0) return;
  instruction.language_cut = cut_to(limit, instruction.language, {"instruction", "language model"});
  if (!limit.keeps_end) return;
  for (std::size_t& mark : marks) mark -= static_cast<std::size_t>(too_many);
}

// With another id than the tokenizer's the reference puts no picture into the prompt, and fails or
// answers without.
void PromptBuilder::check_image_token() const {
  const auto known = tokenizer_->id_of(config_.image_marker);
  const bool taken = !known && !config_.chat && !tokenizer_->token_of(image_token_);
  if (known == image_token_ || taken) return;
  const auto other = tokenizer_->token_of(image_token_);
  const std::string of_tokenizer =
      known ? "is token " + std::to_string(*known) : std::string("is no token");
  throw Error(ErrorCode::bad_model,
              printable(tokenizer_->file().string()) + ": " + config_.image_marker + " " +
                  of_tokenizer + ", but config.json names " + std::to_string(image_token_) +
                  " as the token that stands for a picture" +
                  (other ? ", which is " + quote(*other) + " here" : ""),
              "is the tokenizer of another model in this directory?");
}

std::vector<std::int32_t> PromptBuilder::encode(std::string_view text, bool& has_own_begin) const {
  if (text.empty() && bos_) return {*bos_};
  const bool marked = text.find(config_.image_marker) != std::string_view::npos;
  if (!config_.chat || marked) return tokenizer_->encode(text);
  refuse_forgotten_picture(text, *config_.chat);
  if (template_) return encode_as_chat(text, has_own_begin);
  return tokenizer_->encode(config_.chat->before + std::string(text) + config_.chat->after);
}

std::vector<std::int32_t> PromptBuilder::encode_as_chat(std::string_view question,
                                                        bool& has_own_begin) const {
  const std::string prompt = template_->prompt(question);
  if (prompt.find(config_.image_marker) == std::string::npos) {
    throw Error(
        ErrorCode::unsupported,
        template_->file() + ": the chat template makes a prompt without " + config_.image_marker +
            " of a picture and a question",
        "ask with the whole prompt, with " + config_.image_marker + " where the picture stands");
  }
  std::vector<std::int32_t> ids = tokenizer_->encode(prompt);
  // Where the template writes the first token, the tokenizer does not put it there again.
  const std::vector<std::int32_t> around = tokenizer_->encode("");
  const auto begin = tokenizer_->id_of(template_->begin_token());
  has_own_begin = begin && prompt.starts_with(template_->begin_token());
  if (has_own_begin && !around.empty() && around.front() == *begin) ids.erase(ids.begin());
  return ids;
}

// Image tokens leave the ids; where they stood is kept.
void PromptBuilder::take_marks(Instruction& instruction) const {
  std::vector<std::int32_t> text;
  for (const std::int32_t id : instruction.language) {
    if (id == image_token_) {
      instruction.marks.push_back(text.size());
    } else {
      text.push_back(id);
    }
  }
  instruction.language = std::move(text);
}

void PromptBuilder::read_for_qformer(std::string_view text, const std::string& name,
                                     Instruction& instruction) const {
  instruction.qformer = qformer_tokenizer_->encode(text);
  const TextReader reader{name, "Q-Former"};
  if (config_.qformer_limit) {
    instruction.qformer_cut = cut_to(*config_.qformer_limit, instruction.qformer, reader);
  }
  check_length(instruction.qformer.size(), max_qformer_tokens_, reader);
  check_ids(*qformer_tokenizer_, instruction.qformer, qformer_words_);
}

Instruction PromptBuilder::read(std::string_view text,
                                const std::optional<std::string>& for_qformer) const {
  check_text(text, "instruction");
  Instruction instruction;
  if (for_qformer) {
    check_text(*for_qformer, "qformer_text");
    if (!qformer_tokenizer_) {
      refuse("qformer_text: the model has no Q-Former that reads a text, expected none",
             "leave it out: only InstructBLIP's Q-Former reads the instruction");
    }
    read_for_qformer(*for_qformer, "qformer_text", instruction);
  } else if (qformer_tokenizer_) {
    read_for_qformer(text, "instruction", instruction);
  }
  instruction.language = encode(text, instruction.has_own_begin);
  take_marks(instruction);
  const bool marked = text.find(config_.image_marker) != std::string_view::npos;
  if (!config_.chat && (marked || !instruction.marks.empty())) {
    refuse("the instruction holds the literal " + config_.image_marker +
               ", which stands for the picture itself",
           "leave it out: the picture is put before the instruction");
  }
  const TextReader reader{"instruction", "language model"};
  if (config_.language_limit) {
    instruction.language_cut = cut_to(*config_.language_limit, instruction.language, reader);
  }
  check_length(instruction.language.size(), limits::kPromptTokens, reader);
  check_ids(*tokenizer_, instruction.language, words_);
  return instruction;
}

std::vector<std::int32_t> PromptBuilder::answer(std::string_view text, bool with_end) const {
  check_text(text, "text");
  std::vector<std::int32_t> ids = tokenizer_->encode(text);
  const std::vector<std::int32_t> around = tokenizer_->encode("");
  const auto count = static_cast<std::ptrdiff_t>(std::min(around.size(), ids.size()));
  if (ends_texts_) {
    ids.erase(ids.end() - count, ids.end());
  } else {
    ids.erase(ids.begin(), ids.begin() + count);
  }
  if (with_end && end_token_) ids.push_back(*end_token_);
  if (ids.empty()) refuse("the text is empty, expected a token at least");
  check_length(ids.size(), limits::kNewTokens, {"text", "language model"});
  check_ids(*tokenizer_, ids, words_);
  return ids;
}

void PromptBuilder::check_count(const Instruction& instruction, std::int64_t pictures,
                                bool is_video) const {
  const auto marked = static_cast<std::int64_t>(instruction.marks.size());
  if (is_video && !config_.pictures_are_frames && !qformer_tokenizer_) {
    refuse("the request is about a video, expected pictures",
           "InstructBLIP and InstructBLIP-Video take videos" +
               std::string(config_.chat ? "; LLaVA takes frames as pictures, with as many " +
                                              config_.image_marker + " in the instruction"
                                        : ""));
  }
  if (config_.pictures_are_frames || is_video) {
    if (pictures >= 1) return;
    refuse("the request has no picture, expected the frames of a video");
  }
  const std::int64_t wanted = config_.chat ? marked : 1;
  if (pictures == wanted) return;
  refuse("the request has " + std::to_string(pictures) +
             (pictures == 1 ? " picture" : " pictures") + ", expected " + std::to_string(wanted),
         config_.chat
             ? "as many as the instruction has " + config_.image_marker
             : "the frames of a video make a Video, on the command line --video; several pictures "
               "at once are for a video model");
}

Prompt PromptBuilder::without_pictures(Instruction instruction) const {
  instruction.marks.clear();
  cut_prompt(instruction, 0);
  if (instruction.language.empty()) {
    refuse("the instruction has no token, expected one at least where there is no picture");
  }
  Prompt prompt{std::move(instruction), {}, {}, {}, false, {}};
  prompt.ids = prompt.instruction.language;
  return prompt;
}

Prompt PromptBuilder::with_pictures(Instruction instruction, std::vector<std::int64_t> rows,
                                    bool is_video) const {
  check_count(instruction, std::ssize(rows), is_video);
  const std::int64_t visual = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  cut_prompt(instruction, visual);
  const std::size_t text = instruction.language.size();
  if (static_cast<std::int64_t>(text) + visual > max_positions_) {
    refuse("the prompt has " + std::to_string(text) + " tokens of text and " +
           std::to_string(visual) + " of pictures, expected at most " +
           std::to_string(max_positions_) + " in all");
  }
  Prompt prompt{std::move(instruction), {}, std::move(rows), {}, is_video, {}};
  prompt.places =
      config_.chat ? prompt.instruction.marks : std::vector<std::size_t>(prompt.rows.size(), 0);
  const std::vector<std::int32_t>& ids = prompt.instruction.language;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < prompt.places.size(); ++i) {
    const std::size_t place = prompt.places[i];
    prompt.ids.insert(prompt.ids.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                      ids.begin() + static_cast<std::ptrdiff_t>(place));
    prompt.ids.insert(prompt.ids.end(), static_cast<std::size_t>(prompt.rows[i]), image_token_);
    begin = place;
  }
  prompt.ids.insert(prompt.ids.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end());
  return prompt;
}

}  // namespace instructblip
