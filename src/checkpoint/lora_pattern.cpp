#include "checkpoint/lora_pattern.h"

#include <utility>

#include "core/limits.h"

namespace instructblip {
namespace {

using Characters = std::bitset<128>;

Characters range(char first, char last) {
  Characters out;
  for (char c = first; c <= last && c >= first; ++c) {
    out.set(static_cast<std::size_t>(c));
    if (c == 127) break;
  }
  return out;
}

bool is_plain(char c) { return c >= ' ' && c < 127; }
bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// What stands for a backslash and `c`; none for what is no character.
std::optional<Characters> escaped(char c) {
  const Characters digits = range('0', '9');
  const Characters word =
      digits | range('a', 'z') | range('A', 'Z') | Characters().set(std::size_t{'_'});
  const Characters space = range('\t', '\r') | range('\x1c', ' ');
  switch (c) {
    case 'd':
      return digits;
    case 'D':
      return ~digits;
    case 'w':
      return word;
    case 'W':
      return ~word;
    case 's':
      return space;
    case 'S':
      return ~space;
    default:
      break;
  }
  if (!is_plain(c) || is_letter_or_digit(c)) return std::nullopt;
  return range(c, c);
}

}  // namespace

// Recursive descent; a nesting deeper than limits::kPatternDepth is not understood.
class PatternReader {
 public:
  explicit PatternReader(std::string_view key) : rest_(key) {}

  std::optional<ModulePattern> read() {
    const auto whole = alternatives();
    if (!whole || !rest_.empty()) return std::nullopt;
    out_.first_ = whole->begin;
    out_.last_ = whole->end;
    return std::move(out_);
  }

 private:
  using State = ModulePattern::State;

  // From a state to another, which nothing follows yet.
  struct Part {
    std::size_t begin, end;
  };

  std::size_t add(State state = {}) {
    out_.states_.push_back(std::move(state));
    return out_.states_.size() - 1;
  }
  std::size_t fork(std::size_t next, std::size_t other) {
    State state;
    state.next = next;
    state.other = other;
    return add(std::move(state));
  }
  void link(std::size_t from, std::size_t to) { out_.states_[from].next = to; }
  Part single(State state) {
    const std::size_t end = add();
    state.next = end;
    return {add(std::move(state)), end};
  }
  Part one_of(const Characters& characters) {
    State state;
    state.kind = State::Kind::character;
    state.characters = characters;
    return single(std::move(state));
  }
  Part anchor(State::Kind kind) {
    State state;
    state.kind = kind;
    return single(std::move(state));
  }

  bool next_is(char c) const { return rest_.starts_with(c); }
  bool skip(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  std::optional<Part> alternatives();
  std::optional<Part> sequence();
  std::optional<Part> repetition();
  std::optional<Part> atom();
  std::optional<Part> group();
  std::optional<Characters> characters();
  std::optional<Characters> member();

  std::string_view rest_;
  int depth_ = 0;
  ModulePattern out_;
};

std::optional<PatternReader::Part> PatternReader::alternatives() {
  auto all = sequence();
  while (all && skip("|")) {
    const auto other = sequence();
    if (!other) return std::nullopt;
    const std::size_t end = add();
    link(all->end, end);
    link(other->end, end);
    all = Part{fork(all->begin, other->begin), end};
  }
  return all;
}

std::optional<PatternReader::Part> PatternReader::sequence() {
  const std::size_t begin = add();
  std::size_t end = begin;
  while (!rest_.empty() && !next_is('|') && !next_is(')')) {
    const auto part = repetition();
    if (!part) return std::nullopt;
    link(end, part->begin);
    end = part->end;
  }
  return Part{begin, end};
}

// How greedy it is says nothing about whether the whole matches; a possessive one would.
std::optional<PatternReader::Part> PatternReader::repetition() {
  const bool is_anchor = next_is('^') || next_is('$');
  const auto part = atom();
  if (!part || rest_.empty()) return part;
  const char kind = rest_.front();
  if (kind != '*' && kind != '+' && kind != '?') return part;
  if (is_anchor) return std::nullopt;
  take();
  skip("?");
  if (next_is('*') || next_is('+') || next_is('?')) return std::nullopt;
  const std::size_t end = add();
  const std::size_t again = fork(part->begin, end);
  link(part->end, kind == '?' ? end : again);
  return Part{kind == '+' ? part->begin : again, end};
}

std::optional<PatternReader::Part> PatternReader::atom() {
  const char c = take();
  switch (c) {
    case '(':
      return group();
    case '^':
      return anchor(State::Kind::begin);
    case '$':
      return anchor(State::Kind::end);
    case '.':
      return one_of(~range('\n', '\n'));
    case '[': {
      const auto set = characters();
      return set ? std::optional(one_of(*set)) : std::nullopt;
    }
    case '\\': {
      const auto set = rest_.empty() ? std::nullopt : escaped(take());
      return set ? std::optional(one_of(*set)) : std::nullopt;
    }
    case '*':
    case '+':
    case '?':
    case '{':
      return std::nullopt;
    default:
      return is_plain(c) ? std::optional(one_of(range(c, c))) : std::nullopt;
  }
}

std::optional<PatternReader::Part> PatternReader::group() {
  if (!skip("?:") && next_is('?')) return std::nullopt;
  if (++depth_ > limits::kPatternDepth) return std::nullopt;
  const auto part = alternatives();
  --depth_;
  return part && skip(")") ? part : std::nullopt;
}

// Behind a '['.
std::optional<Characters> PatternReader::characters() {
  const bool others = skip("^");
  Characters all;
  bool first = true;
  while (!rest_.empty() && (first || !next_is(']'))) {
    first = false;
    const char from = rest_.front();
    const auto one = member();
    if (!one) return std::nullopt;
    all |= *one;
    if (rest_.size() < 2 || rest_[0] != '-' || rest_[1] == ']') continue;
    take();
    const char to = rest_.front();
    if (from == '\\' || to == '\\' || !is_plain(to) || to < from) return std::nullopt;
    take();
    all |= range(from, to);
  }
  if (!skip("]")) return std::nullopt;
  return others ? ~all : all;
}

std::optional<Characters> PatternReader::member() {
  const char c = take();
  if (c == '\\') return rest_.empty() ? std::nullopt : escaped(take());
  if (!is_plain(c) || c == '[') return std::nullopt;
  return range(c, c);
}

std::optional<ModulePattern> ModulePattern::read(std::string_view key) {
  if (key.empty() || key.size() > static_cast<std::size_t>(limits::kPatternBytes)) {
    return std::nullopt;
  }
  return PatternReader(key).read();
}

void ModulePattern::enter(std::size_t state, bool at_begin, bool at_end,
                          std::vector<bool>& in) const {
  std::vector<std::size_t> left = {state};
  while (!left.empty()) {
    const std::size_t at = left.back();
    left.pop_back();
    if (at == kNowhere || in[at]) continue;
    in[at] = true;
    const State& here = states_[at];
    if (here.kind == State::Kind::character) continue;
    if (here.kind == State::Kind::begin && !at_begin) continue;
    if (here.kind == State::Kind::end && !at_end) continue;
    left.push_back(here.next);
    left.push_back(here.other);
  }
}

bool ModulePattern::runs(std::string_view module, bool anywhere) const {
  std::vector<bool> in(states_.size()), next;
  for (std::size_t i = 0;; ++i) {
    const bool at_end = i == module.size();
    if (i == 0 || (anywhere && module[i - 1] == '.')) enter(first_, i == 0, at_end, in);
    if (at_end) return in[last_];
    next.assign(states_.size(), false);
    const auto c = static_cast<unsigned char>(module[i]);
    for (std::size_t state = 0; state < states_.size(); ++state) {
      if (in[state] && states_[state].kind == State::Kind::character && c < 128 &&
          states_[state].characters[c]) {
        enter(states_[state].next, false, i + 1 == module.size(), next);
      }
    }
    std::swap(in, next);
  }
}

}  // namespace instructblip
