#include "text/decoders.h"

#include <algorithm>

#include "core/errors.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "text/byte_tokens.h"
#include "text/unicode.h"

namespace instructblip {
namespace {

constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// Refuses what rules that replace one another's results have grown to.
void check_length(const std::string& text) {
  if (text.size() <= static_cast<std::size_t>(limits::kDecodedTokenBytes)) return;
  throw Error(ErrorCode::bad_model,
              "tokenizer: decoder: a token becomes more than " +
                  std::to_string(limits::kDecodedTokenBytes) + " bytes",
              "is the tokenizer of this model damaged? download it once more");
}

std::string replace_all(std::string_view text, const ReplaceRule& rule) {
  std::string replaced;
  for (std::size_t found; (found = text.find(rule.pattern)) != std::string_view::npos;) {
    replaced += text.substr(0, found);
    replaced += rule.content;
    check_length(replaced);
    text.remove_prefix(found + rule.pattern.size());
  }
  return replaced.append(text);
}

// How many bytes at the end of `text` may be the start of `pattern`.
std::size_t partial_match(std::string_view text, std::string_view pattern) {
  for (std::size_t n = std::min(text.size(), pattern.size() - 1); n > 0; --n) {
    if (pattern.starts_with(text.substr(text.size() - n))) return n;
  }
  return 0;
}

std::string utf8_of(char32_t code) {
  std::string text;
  utf8::append(text, code);
  return text;
}

// Rewrites each token on its own.
class Rewriting final : public DecodeStep {
 public:
  // The index counts the tokens of the sequence.
  using Function = std::function<std::string(std::string, std::size_t index)>;
  explicit Rewriting(Function function) : function_(std::move(function)) {}
  void put(std::string token, const TextSink& next) override {
    next(function_(std::move(token), index_++));
  }

 private:
  Function function_;
  std::size_t index_ = 0;
};

DecodeStepMaker rewriting(const Rewriting::Function& function) {
  return [function] { return std::make_unique<Rewriting>(function); };
}

class LeaveOut final : public DecodeStep {
 public:
  explicit LeaveOut(std::string token) : token_(std::move(token)) {}
  void put(std::string token, const TextSink& next) override {
    if (token != token_) next(std::move(token));
  }

 private:
  std::string token_;
};

class ByteFallback final : public DecodeStep {
 public:
  explicit ByteFallback(ByteRuns runs) : runs_(runs) {}

  void put(std::string token, const TextSink& next) override {
    if (const auto byte = token_byte(token)) {
      run_ += static_cast<char>(*byte);
      return;
    }
    finish(next);
    next(std::move(token));
  }

  void finish(const TextSink& next) override {
    if (run_.empty()) return;
    if (!utf8::find_invalid(run_)) {
      next(run_);
    } else if (runs_ == ByteRuns::whole) {
      for (std::size_t i = 0; i < run_.size(); ++i) next(std::string(kReplacementCharacter));
    } else {
      for (std::string_view rest = run_; !rest.empty();) {
        const utf8::Decoded first = utf8::decode(rest);
        next(std::string(first.valid ? rest.substr(0, first.length) : kReplacementCharacter));
        rest.remove_prefix(first.length);
      }
    }
    run_.clear();
  }

 private:
  ByteRuns runs_;
  std::string run_;
};

class ReplaceText final : public DecodeStep {
 public:
  explicit ReplaceText(ReplaceRule rule) : rule_(std::move(rule)) {}

  void put(std::string token, const TextSink& next) override {
    held_ += token;
    std::size_t done = 0;
    std::string out;
    for (std::size_t found; (found = held_.find(rule_.pattern, done)) != std::string::npos;) {
      out.append(held_, done, found - done).append(rule_.content);
      check_length(out);
      done = found + rule_.pattern.size();
    }
    const std::string_view rest = std::string_view(held_).substr(done);
    const std::size_t kept = partial_match(rest, rule_.pattern);
    out += rest.substr(0, rest.size() - kept);
    held_.erase(0, held_.size() - kept);
    if (!out.empty()) next(std::move(out));
  }

  void finish(const TextSink& next) override {
    if (!held_.empty()) next(std::exchange(held_, {}));
  }

 private:
  ReplaceRule rule_;
  std::string held_;
};

class StripTextStart final : public DecodeStep {
 public:
  StripTextStart(std::string text, std::size_t count) : text_(std::move(text)), count_(count) {}

  void put(std::string token, const TextSink& next) override {
    while (count_ > 0 && !token.empty()) {
      if (!token.starts_with(text_)) {
        count_ = 0;
      } else {
        token.erase(0, text_.size());
        --count_;
      }
    }
    if (!token.empty()) next(std::move(token));
  }

 private:
  std::string text_;  // one whole character
  std::size_t count_;
};

class Gather final : public DecodeStep {
 public:
  void put(std::string token, const TextSink&) override { text_ += token; }
  void finish(const TextSink& next) override { next(std::exchange(text_, {})); }

 private:
  std::string text_;
};

class StripWhiteSpace final : public DecodeStep {
 public:
  void put(std::string token, const TextSink& next) override {
    std::string_view rest = token;
    while (!rest.empty()) {
      const std::size_t space = leading(rest, /*spaces=*/true);
      if (started_) held_ += rest.substr(0, space);
      rest.remove_prefix(space);
      const std::size_t text = leading(rest, /*spaces=*/false);
      if (text == 0) continue;
      started_ = true;
      next(std::exchange(held_, {}).append(rest.substr(0, text)));
      rest.remove_prefix(text);
    }
  }

 private:
  // The bytes at the start of `text` that are, or are not, white space.
  static std::size_t leading(std::string_view text, bool spaces) {
    std::size_t at = 0;
    while (at < text.size()) {
      const utf8::Decoded decoded = utf8::decode(text.substr(at));
      if (unicode::is_python_space(decoded.code_point) != spaces) break;
      at += decoded.length;
    }
    return at;
  }

  bool started_ = false;
  std::string held_;
};

}  // namespace

DecodeStepMaker replace_step(ReplaceRule rule) {
  return rewriting([rule = std::move(rule)](const std::string& token, std::size_t) {
    return replace_all(token, rule);
  });
}

DecodeStepMaker metaspace_step(char32_t replacement, PrependScheme scheme) {
  const ReplaceRule removed{utf8_of(replacement), ""}, space{utf8_of(replacement), " "};
  return rewriting([=](const std::string& token, std::size_t index) {
    return replace_all(token, index == 0 && scheme != PrependScheme::never ? removed : space);
  });
}

DecodeStepMaker leave_out_step(std::string token) {
  return [token = std::move(token)] { return std::make_unique<LeaveOut>(token); };
}

DecodeStepMaker byte_fallback_step(ByteRuns runs) {
  return [runs] { return std::make_unique<ByteFallback>(runs); };
}

DecodeStepMaker word_piece_step(const std::string& prefix, bool cleanup) {
  static const std::vector<ReplaceRule> rules = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  return rewriting([=](std::string token, std::size_t index) {
    if (index > 0) {
      token = token.starts_with(prefix) ? token.substr(prefix.size()) : " " + token;
    }
    if (!cleanup) return token;
    for (const ReplaceRule& rule : rules) token = replace_all(token, rule);
    return token;
  });
}

DecodeStepMaker strip_step(char32_t code, std::size_t start, std::size_t stop) {
  return rewriting([text = utf8_of(code), start, stop](std::string token, std::size_t) {
    for (std::size_t i = 0; i < start && token.starts_with(text); ++i) token.erase(0, text.size());
    for (std::size_t i = 0; i < stop && token.ends_with(text); ++i) {
      token.resize(token.size() - text.size());
    }
    return token;
  });
}

DecodeStepMaker join_step(std::string separator) {
  return rewriting([separator = std::move(separator)](const std::string& token, std::size_t index) {
    return index > 0 ? separator + token : token;
  });
}

DecodeStepMaker replace_text_step(ReplaceRule rule) {
  return [rule = std::move(rule)] { return std::make_unique<ReplaceText>(rule); };
}

DecodeStepMaker strip_text_start_step(char32_t code, std::size_t start) {
  return [code, start] { return std::make_unique<StripTextStart>(utf8_of(code), start); };
}

DecodeStepMaker gather_step() {
  return [] { return std::make_unique<Gather>(); };
}

DecodeStepMaker strip_white_space_step() {
  return [] { return std::make_unique<StripWhiteSpace>(); };
}

std::vector<DecodeStepMaker> cleanup_steps() {
  return {replace_text_step({" .", "."}),     replace_text_step({" ?", "?"}),
          replace_text_step({" !", "!"}),     replace_text_step({" ,", ","}),
          replace_text_step({" ' ", "'"}),    replace_text_step({" n't", "n't"}),
          replace_text_step({" 'm", "'m"}),   replace_text_step({" 's", "'s"}),
          replace_text_step({" 've", "'ve"}), replace_text_step({" 're", "'re"})};
}

DecodeChain::DecodeChain(const std::vector<DecodeStepMaker>& makers) {
  for (const DecodeStepMaker& make : makers) steps_.push_back(make());
}

void DecodeChain::put_at(std::size_t step, std::string token, std::string& out) {
  if (step == steps_.size()) {
    out += token;
    return;
  }
  steps_[step]->put(std::move(token),
                    [&](std::string piece) { put_at(step + 1, std::move(piece), out); });
}

std::string DecodeChain::put(std::string token) {
  std::string out;
  put_at(0, std::move(token), out);
  return out;
}

std::string DecodeChain::finish() {
  std::string out;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    steps_[i]->finish([&](std::string piece) { put_at(i + 1, std::move(piece), out); });
  }
  return out;
}

}  // namespace instructblip
