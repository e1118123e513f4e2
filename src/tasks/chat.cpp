#include "instructblip/chat.h"

#include <algorithm>
#include <utility>

#include "core/boundary.h"
#include "core/file.h"
#include "core/json.h"
#include "tasks/fill.h"

namespace instructblip {
namespace {

// Turns of Vicuna, behind the one picture of the conversation.
ChatWords llava_words() {
  return {.first = "{question}",
          .turn = "{question} ASSISTANT: {answer}</s>USER: ",
          .next = "USER: <image>\n{history}{question} ASSISTANT:"};
}

ChatWords words_of(const Pipeline& pipeline, const ChatOptions& options) {
  const ChatWords words = options.words.value_or(
      pipeline.info().family.starts_with("llava") ? llava_words() : ChatWords());
  for (const std::string& text : {words.first, words.turn, words.next}) {
    if (text.find("{question}") != std::string::npos) continue;
    throw Error(ErrorCode::invalid_argument,
                "chat: expected {question} in the words, got " + json_literal(text));
  }
  return words;
}

std::vector<ChatTurn> read_turns(const std::filesystem::path& file) {
  std::vector<ChatTurn> turns;
  try {
    for (const Json& turn : Json::read(file).at("turns").elements()) {
      turns.push_back({turn.at("question").string(), turn.at("answer").string()});
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_model) throw;
    throw Error(ErrorCode::invalid_argument, error.what(),
                "a conversation is written by Chat::save()");
  }
  return turns;
}

}  // namespace

Chat::Chat(const Pipeline& pipeline, const Pictures& pictures, ChatOptions options)
    : pipeline_(&pipeline), options_(std::move(options)), words_(words_of(pipeline, options_)) {
  pictures_ = pipeline.encode(pictures);
}

std::string Chat::prompt(std::string_view question) const {
  if (turns_.empty()) return filled(words_.first, {{"{question}", question}});
  const std::size_t told =
      options_.max_turns == 0 ? turns_.size() : std::min(turns_.size(), options_.max_turns);
  std::string history;
  for (std::size_t i = turns_.size() - told; i < turns_.size(); ++i) {
    history +=
        filled(words_.turn, {{"{question}", turns_[i].question}, {"{answer}", turns_[i].answer}});
  }
  return filled(words_.next, {{"{history}", history}, {"{question}", question}});
}

Request Chat::request(std::string_view question) const {
  return at_boundary([&] {
    Request request{pictures_, prompt(question), options_.generation};
    if (pipeline_->info().max_instruction_tokens > 0) request.qformer_text = std::string(question);
    return request;
  });
}

Generation Chat::ask(std::string_view question, const Control& control) {
  Generation generation = pipeline_->generate(request(question), control);
  if (generation.finish_reason() != FinishReason::cancelled) {
    at_boundary([&] { turns_.push_back({std::string(question), generation.text()}); });
  }
  return generation;
}

bool Chat::undo() {
  if (turns_.empty()) return false;
  turns_.pop_back();
  return true;
}

void Chat::save(const std::filesystem::path& file) const {
  at_boundary([&] {
    std::string text = "{\"turns\": [";
    for (std::size_t i = 0; i < turns_.size(); ++i) {
      text += std::string(i > 0 ? "," : "") +
              "\n  {\"question\": " + json_literal(turns_[i].question) +
              ", \"answer\": " + json_literal(turns_[i].answer) + "}";
    }
    text += "\n]}\n";
    write_file_atomically(file,
                          [&](const ByteSink& sink) { sink(std::as_bytes(std::span(text))); });
  });
}

void Chat::restore(const std::filesystem::path& file) {
  turns_ = at_boundary([&] { return read_turns(file); });
}

}  // namespace instructblip
