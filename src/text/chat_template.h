// How a directory says a question is put to its model: the Jinja template beside the weights.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "instructblip/error.h"
#include "text/tokenizer.h"

namespace instructblip {

// Immutable; safe to use from any thread.
class ChatTemplate {
 public:
  // Who renders it: the processor, whose messages are lists of parts, or the tokenizer, whose
  // messages are texts.
  enum class Of { processor, tokenizer };

  // The template that the reference's processor or tokenizer takes from `directory`, or none.
  // Processor: chat_template.json, else chat_template.jinja, else chat_templates/default.jinja,
  // else chat_template in processor_config.json. Tokenizer: chat_template in tokenizer_config.json.
  // Where there are several by name, `default` is taken. A template that cannot be taken or is not
  // known is told of when it is asked for a prompt.
  static std::optional<ChatTemplate> read(const std::filesystem::path& directory, Of of,
                                          TokenizerKind kind);

  // What the reference's apply_chat_template(..., add_generation_prompt=True) makes of a picture
  // and a question behind it. Throws Error(unsupported), naming the file, the line and what is not
  // known there.
  std::string prompt(std::string_view question) const;

  const std::string& file() const { return file_; }
  // The tokenizer's first token, where it has one. A prompt that begins with it gets no other.
  const std::string& begin_token() const { return begin_token_; }

 private:
  struct Parsed;
  ChatTemplate(Of of, std::string file, std::string path)
      : of_(of), file_(std::move(file)), path_(std::move(path)) {}
  void parse(std::string_view source);

  Of of_;
  std::string file_;  // in its directory
  std::string path_;  // with it, for messages
  std::string begin_token_;
  std::vector<std::pair<std::string, std::string>> tokens_;  // "bos_token", ... and what they are
  std::vector<std::string> more_tokens_;
  std::shared_ptr<const Parsed> parsed_;
  std::optional<Error> fault_;  // why there is no parsed_
};

}  // namespace instructblip
