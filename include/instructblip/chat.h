/// A conversation about a picture.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "instructblip/export.h"
#include "instructblip/pipeline.h"

namespace instructblip {

/// The words of a conversation, with {question}, {answer} and {history} where these stand.
struct ChatWords {
  std::string first = "{question}";  ///< prompt where nothing has been said before
  std::string turn = "Question: {question} Answer: {answer}. ";  ///< an earlier turn in {history}
  std::string next = "Dialog history: {history}\nQuestion: {question} Answer:";  ///< any later one
};

struct ChatOptions {
  GenerationConfig generation = {};
  /// Default: those of ChatWords, after the paper's visual dialogue; for LLaVA the turns of Vicuna
  /// ("USER: ... ASSISTANT: ...</s>"), whose models of other words need them named here.
  std::optional<ChatWords> words = {};
  std::size_t max_turns = 0;  ///< earlier turns that are told, the latest ones; 0: all
};

/// What was asked and answered.
struct ChatTurn {
  std::string question, answer;
};

/// Asks about pictures and remembers what was said: the language model is told the conversation,
/// the Q-Former the last question alone, which is what it is to look for. The pictures are encoded
/// once.
///
/// Threads: one at a time.
/// Errors:  as Pipeline's; a failed call changes nothing.
class INSTRUCTBLIP_API Chat {
 public:
  /// Borrows `pipeline`, which must outlive it. Errors: as Pipeline::encode(); invalid_argument
  /// (words without {question}).
  Chat(const Pipeline& pipeline, const Pictures& pictures, ChatOptions options = {});

  /// The request that asks `question` now. Changes nothing.
  Request request(std::string_view question) const;

  /// Asks, and keeps the turn unless it was cancelled. Errors: as Pipeline::generate(); a
  /// conversation that is longer than the model's prompt is invalid_argument.
  Generation ask(std::string_view question, const Control& control = {});

  /// Takes the last turn back; false where there is none.
  bool undo();

  std::span<const ChatTurn> turns() const { return turns_; }

  /// Writes the turns as JSON, {"turns": [{"question", "answer"}, ...]}, whole or not at all.
  /// Errors: io.
  void save(const std::filesystem::path& file) const;
  /// Replaces the turns by those of a file that save() has written. Pictures are the caller's.
  /// Errors: not_found; invalid_argument (another file).
  void restore(const std::filesystem::path& file);

 private:
  std::string prompt(std::string_view question) const;

  const Pipeline* pipeline_;
  Pictures pictures_;
  ChatOptions options_;
  ChatWords words_;
  std::vector<ChatTurn> turns_;
};

}  // namespace instructblip
