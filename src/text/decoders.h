// Tokens back to text, piece by piece. Decoding a whole answer and streaming it are the same code.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/pre_tokenizers.h"

namespace instructblip {

using TextSink = std::function<void(std::string)>;

// One step of decoding one sequence: takes tokens, hands on tokens, and keeps back only what later
// tokens may still change.
class DecodeStep {
 public:
  virtual ~DecodeStep() = default;
  virtual void put(std::string token, const TextSink& next) = 0;
  virtual void finish(const TextSink&) {}
};

// Makes the steps of a new sequence. Immutable.
using DecodeStepMaker = std::function<std::unique_ptr<DecodeStep>()>;

struct ReplaceRule {
  std::string pattern;  // not empty
  std::string content;
};

DecodeStepMaker replace_step(ReplaceRule rule);     // inside each token
DecodeStepMaker leave_out_step(std::string token);  // as though it had not come
DecodeStepMaker metaspace_step(char32_t replacement, PrependScheme scheme);
// What becomes of a run of byte tokens that is not UTF-8.
enum class ByteRuns {
  whole,      // one replacement character for each byte
  piecewise,  // for each byte that is part of no character: SentencePiece itself
};
DecodeStepMaker byte_fallback_step(ByteRuns runs = ByteRuns::whole);
DecodeStepMaker word_piece_step(const std::string& prefix, bool cleanup);
// Removes up to `start` and `stop` copies of `code` from the ends of each token.
DecodeStepMaker strip_step(char32_t code, std::size_t start, std::size_t stop);
DecodeStepMaker join_step(std::string separator);

// Steps over the text as a whole, however it is cut into tokens.
DecodeStepMaker replace_text_step(ReplaceRule rule);
DecodeStepMaker strip_text_start_step(char32_t code, std::size_t start);
DecodeStepMaker gather_step();             // hands on everything at the end, as one token
DecodeStepMaker strip_white_space_step();  // at both ends, as Python's str.strip()
// What clean_up_tokenization_spaces removes.
std::vector<DecodeStepMaker> cleanup_steps();

// The steps of one sequence, connected.
class DecodeChain {
 public:
  explicit DecodeChain(const std::vector<DecodeStepMaker>& makers);
  // The text that is certain from now on.
  std::string put(std::string token);
  std::string finish();

 private:
  void put_at(std::size_t step, std::string token, std::string& out);

  std::vector<std::unique_ptr<DecodeStep>> steps_;
};

}  // namespace instructblip
