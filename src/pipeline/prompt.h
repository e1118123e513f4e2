// From the caller's instruction to what the Q-Former and the language model read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model_config.h"
#include "text/chat_template.h"
#include "text/text_checks.h"
#include "text/tokenizer.h"

namespace instructblip {

// Both readings of one instruction.
struct Instruction {
  std::vector<std::int32_t> qformer;   // [CLS] ... [SEP]; empty where the Q-Former reads none
  std::vector<std::int32_t> language;  // without image tokens
  std::int64_t qformer_cut = 0, language_cut = 0;  // tokens that a limit took away
  // A chat template wrote the first token, which is part of the text then and no special one.
  bool has_own_begin = false;
  // Where the instruction marks its pictures: each before the token of `language` with this index.
  // Empty where pictures come first.
  std::vector<std::size_t> marks;
};

// The prompt of the language model, pictures included.
struct Prompt {
  Instruction instruction;
  // One for each picture: its rows come before the token of instruction.language with this index.
  std::vector<std::size_t> places;
  std::vector<std::int64_t> rows;     // rows of each picture
  std::vector<PictureSize> pictures;  // their sizes, from which the rows follow
  bool is_video = false;              // whether the pictures are the frames of one
  // As the reference has them: an image token for each row of a picture. Where config.json names no
  // image token it is the id that adding one would give.
  std::vector<std::int32_t> ids;
};

// What a directory holds for reading texts.
struct PromptFiles {
  std::unique_ptr<const Tokenizer> language;
  std::unique_ptr<const Tokenizer> qformer;  // null where the Q-Former reads no instruction
  std::optional<ChatTemplate> chat = {};     // none: PromptConfig::chat has the words, if any
};

// Throws Error: not_found, bad_model, unsupported.
PromptFiles read_prompt_files(const std::filesystem::path& directory, const ModelConfig& config);

// Owns the tokenizers and the limits that a text must keep. Immutable.
class PromptBuilder {
 public:
  // `embedding_rows` of the language model bound its ids.
  PromptBuilder(PromptFiles files, const ModelConfig& config, std::int64_t embedding_rows);
  // Reads the tokenizers of `directory`.
  PromptBuilder(const std::filesystem::path& directory, const ModelConfig& config,
                std::int64_t embedding_rows)
      : PromptBuilder(read_prompt_files(directory, config), config, embedding_rows) {}

  // Throws Error(invalid_argument): not UTF-8, too long, or holding a literal image token where
  // pictures come first, which would stand for one that is not there.
  // With `for_qformer` the Q-Former reads that; refused where none reads a text.
  Instruction read(std::string_view text, const std::optional<std::string>& for_qformer = {}) const;

  // With as many pictures as there are `rows`, each of so many, or frames of a video. Throws
  // Error(invalid_argument) where the instruction or the model wants another number of them, and
  // where the whole is too long. Leaves Prompt::pictures empty.
  Prompt with_pictures(Instruction instruction, std::vector<std::int64_t> rows,
                       bool is_video = false) const;

  // With no picture at all: what is asked, and nothing to look at. Throws Error(invalid_argument)
  // where nothing is left.
  Prompt without_pictures(Instruction instruction) const;

  // The tokens of a whole answer, with or without the end token. Throws Error(invalid_argument):
  // not UTF-8, too long, or none.
  std::vector<std::int32_t> answer(std::string_view text, bool with_end) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  // The first of those that end an answer; none: nothing does.
  std::optional<std::int32_t> end_token() const { return end_token_; }

 private:
  std::vector<std::int32_t> encode(std::string_view text, bool& has_own_begin) const;
  // A question by the directory's chat template.
  std::vector<std::int32_t> encode_as_chat(std::string_view question, bool& has_own_begin) const;
  void take_marks(Instruction& instruction) const;
  void read_for_qformer(std::string_view text, const std::string& name,
                        Instruction& instruction) const;
  void cut_as_tokenizer(const ModelConfig& config);
  // To what the tokenizer's files keep of a prompt with so many rows of pictures. Throws
  // Error(invalid_argument) where a picture would be cut.
  void cut_prompt(Instruction& instruction, std::int64_t visual) const;
  void check_image_token() const;
  void check_count(const Instruction& instruction, std::int64_t pictures, bool is_video) const;

  PromptConfig config_;
  std::optional<std::int32_t> bos_;  // in place of an instruction; none where it is just read
  std::unique_ptr<const Tokenizer> tokenizer_, qformer_tokenizer_;  // the latter may be null
  std::optional<ChatTemplate> template_;  // its words are in config_.chat then
  std::int64_t max_qformer_tokens_ = 0;
  std::int64_t max_positions_;  // pictures included
  // What the tokenizer's files keep of a prompt, pictures included, where these stand in the text.
  std::optional<TokenLimit> prompt_limit_;
  std::int32_t image_token_;
  // Whether the tokenizer puts the end token behind every text, as an encoder-decoder's does; a
  // decoder-only model's puts a first token in front of it.
  bool ends_texts_;
  std::optional<std::int32_t> end_token_;
  WordTable words_, qformer_words_{"Q-Former", "qformer_config.vocab_size"};
};

}  // namespace instructblip
