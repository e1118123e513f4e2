// The variables of a template while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace instructblip::jinja {

using Variables = std::vector<std::pair<std::string, Value>>;

// Scopes in one another: what a loop or a block sets is gone behind it.
class Scopes {
 public:
  explicit Scopes(Variables variables) { enter(std::move(variables)); }

  void enter(Variables variables = {}) { scopes_.push_back({next_++, std::move(variables)}); }
  void leave() { scopes_.pop_back(); }
  void assign(std::string_view name, Value value);  // in the innermost
  const Value* find(std::string_view name) const;

  // Where a macro is defined. It sees the variables of that place, whoever calls it.
  struct Place {
    std::size_t depth;
    std::uint64_t scope;
  };
  Place here() const { return {scopes_.size(), scopes_.back().number}; }
  bool is_open(const Place& place) const {
    return place.depth <= scopes_.size() && scopes_[place.depth - 1].number == place.scope;
  }

 private:
  struct Scope {
    std::uint64_t number;
    Variables variables;
  };
  std::vector<Scope> scopes_;
  std::uint64_t next_ = 0;

 public:
  // Hides what has been entered since `place`, which is open, until it goes out of scope.
  class Hidden {
   public:
    Hidden(Scopes& scopes, const Place& place);
    ~Hidden();
    Hidden(const Hidden&) = delete;
    Hidden& operator=(const Hidden&) = delete;

   private:
    Scopes& scopes_;
    std::size_t depth_;
    std::vector<Scope> hidden_;
  };
};

}  // namespace instructblip::jinja
