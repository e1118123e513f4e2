#include "text/pattern.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/errors.h"
#include "core/limits.h"
#include "text/regex.h"

namespace instructblip {
namespace {

// Joins each span with the one before it where `joins(is match, previous is match)` says so.
template <typename Joins>
std::vector<Span> fold(const std::vector<Span>& spans, const Joins& joins) {
  std::vector<Span> folded;
  bool previous = false;
  for (const Span& span : spans) {
    if (joins(span.matched, previous) && !folded.empty()) {
      folded.back().first = std::min(folded.back().first, span.first);
      folded.back().last = std::max(folded.back().last, span.last);
    } else {
      folded.push_back({span.first, span.last, false});
    }
    previous = span.matched;
  }
  return folded;
}

}  // namespace

std::vector<Span> split_spans(std::vector<Span> spans, SplitBehavior behavior) {
  const auto starts_run = [](bool match, bool previous) { return match && !previous; };
  switch (behavior) {
    case SplitBehavior::removed:
      std::erase_if(spans, [](const Span& span) { return span.matched; });
      return spans;
    case SplitBehavior::isolated:
      return fold(spans, [](bool, bool) { return false; });
    case SplitBehavior::contiguous:
      return fold(spans, [](bool match, bool previous) { return match == previous; });
    case SplitBehavior::merged_with_previous:
      return fold(spans, starts_run);
    case SplitBehavior::merged_with_next:
      std::ranges::reverse(spans);
      spans = fold(spans, starts_run);
      std::ranges::reverse(spans);
      return spans;
  }
  return spans;
}

std::vector<Span> find_codes(std::u32string_view text, const std::function<bool(char32_t)>& test) {
  std::vector<Span> spans;
  std::size_t unmatched = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!test(text[i])) continue;
    if (unmatched < i) spans.push_back({unmatched, i, false});
    spans.push_back({i, i + 1, true});
    unmatched = i + 1;
  }
  if (unmatched < text.size()) spans.push_back({unmatched, text.size(), false});
  return spans;
}

// Writes the program of a tree.
class Pattern::Compiler {
 public:
  using Kind = Instruction::Kind;

  void write(const RegexNode& node) {
    if (here() > kLongest) return;
    switch (node.kind) {
      case RegexNode::Kind::code:
        append({.kind = Kind::code, .test = node.test});
        break;
      case RegexNode::Kind::ahead:
        append({.kind = Kind::ahead, .test = node.test});
        break;
      case RegexNode::Kind::not_ahead:
        append({.kind = Kind::not_ahead, .test = node.test});
        break;
      case RegexNode::Kind::sequence:
        for (const RegexNode& part : node.parts) write(part);
        break;
      case RegexNode::Kind::choice:
        write_choice(node.parts);
        break;
      case RegexNode::Kind::repeat:
        write_repeat(node);
        break;
    }
  }

  std::vector<Instruction> take(const std::string& where) {
    append({.kind = Kind::accept});
    if (program_.size() > kLongest) {
      throw Error(ErrorCode::unsupported, where + ": expected an expression of at most " +
                                              std::to_string(kLongest) + " steps");
    }
    return std::move(program_);
  }

 private:
  static constexpr std::size_t kLongest = 2000;

  std::size_t here() const { return program_.size(); }

  // Beyond kLongest, where take() throws, nothing is kept.
  std::size_t append(Instruction instruction) {
    if (program_.size() <= kLongest) program_.push_back(std::move(instruction));
    return program_.size() - 1;
  }
  std::size_t fork() { return append({.kind = Kind::fork}); }
  // A fork without a choice.
  std::size_t jump(std::size_t target) {
    return append({.kind = Kind::fork, .next = target, .other = target});
  }

  void write_choice(const std::vector<RegexNode>& parts) {
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const std::size_t choice = fork();
      program_[choice].next = here();
      write(parts[i]);
      ends.push_back(jump(0));
      program_[choice].other = here();
    }
    write(parts.back());
    for (const std::size_t end : ends) program_[end].next = program_[end].other = here();
  }

  void write_repeat(const RegexNode& node) {
    for (std::size_t i = 0; i < node.least; ++i) write(node.parts.front());
    if (node.most == RegexNode::kUnbounded) {
      const std::size_t round = fork();
      program_[round].next = here();
      write(node.parts.front());
      jump(round);
      program_[round].other = here();
      return;
    }
    std::vector<std::size_t> rounds;
    for (std::size_t i = node.least; i < node.most; ++i) {
      rounds.push_back(fork());
      program_[rounds.back()].next = here();
      write(node.parts.front());
    }
    for (const std::size_t round : rounds) program_[round].other = here();
  }

  std::vector<Instruction> program_;
};

// Backtracks, but never through the same step at the same place: what follows from there depends on
// nothing else and has failed before.
class Pattern::Search {
 public:
  Search(const std::vector<Instruction>& program, std::u32string_view text)
      : program_(program), text_(text), tried_(program.size() * (text.size() + 1)) {}

  // The end of the match that starts at `begin`, or `begin` where there is none.
  std::size_t match(std::size_t begin) {
    pending_ = {{0, begin}};
    while (!pending_.empty()) {
      const auto [step, at] = pending_.back();
      pending_.pop_back();
      if (const std::size_t end = follow(step, at); end != kNone) {
        forget(end);
        return end;
      }
    }
    return begin;
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  // Runs until a step fails or all are done.
  std::size_t follow(std::size_t step, std::size_t at) {
    while (true) {
      const std::size_t state = at * program_.size() + step;
      if (tried_[state]) return kNone;
      tried_[state] = true;
      const Instruction& instruction = program_[step];
      const auto passes = [&] { return at < text_.size() && instruction.test(text_[at]); };
      switch (instruction.kind) {
        case Instruction::Kind::accept:
          return at;
        case Instruction::Kind::code:
          if (!passes()) return kNone;
          ++at;
          ++step;
          break;
        case Instruction::Kind::ahead:
        case Instruction::Kind::not_ahead:
          if (passes() != (instruction.kind == Instruction::Kind::ahead)) return kNone;
          ++step;
          break;
        case Instruction::Kind::fork:
          if (instruction.other != instruction.next) pending_.push_back({instruction.other, at});
          step = instruction.next;
          break;
      }
    }
  }

  // What was tried at the end of a match may be what led to it. Further on, everything failed.
  void forget(std::size_t at) {
    const auto first = tried_.begin() + static_cast<std::ptrdiff_t>(at * program_.size());
    std::fill(first, first + static_cast<std::ptrdiff_t>(program_.size()), false);
  }

  const std::vector<Instruction>& program_;
  std::u32string_view text_;
  std::vector<bool> tried_;  // [place][step]
  std::vector<std::pair<std::size_t, std::size_t>> pending_;
};

Pattern Pattern::literal(std::u32string_view text) {
  Pattern pattern;
  if (text.empty()) return pattern;
  if (std::ssize(text) > limits::kPatternCodes) {
    throw Error(ErrorCode::bad_model, "tokenizer: a pattern of " + std::to_string(text.size()) +
                                          " characters, expected at most " +
                                          std::to_string(limits::kPatternCodes));
  }
  for (const char32_t code : text) {
    pattern.program_.push_back({.kind = Instruction::Kind::code,
                                .test = [code](char32_t other) { return other == code; }});
  }
  pattern.program_.push_back({.kind = Instruction::Kind::accept});
  return pattern;
}

Pattern Pattern::regex(std::string_view expression, const std::string& where) {
  Compiler compiler;
  compiler.write(read_regex(expression, where));
  Pattern pattern;
  pattern.program_ = compiler.take(where);
  return pattern;
}

std::vector<Span> Pattern::find(std::u32string_view text) const {
  std::vector<Span> spans;
  Search search(program_, text);
  std::size_t unmatched = 0;
  for (std::size_t i = 0; i < text.size() && !program_.empty();) {
    const std::size_t end = search.match(i);
    if (end == i) {
      ++i;
      continue;
    }
    if (unmatched < i) spans.push_back({unmatched, i, false});
    spans.push_back({i, end, true});
    unmatched = i = end;
  }
  if (unmatched < text.size()) spans.push_back({unmatched, text.size(), false});
  return spans;
}

}  // namespace instructblip
