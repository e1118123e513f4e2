#include "text/jinja/scopes.h"

#include <iterator>

namespace instructblip::jinja {

void Scopes::assign(std::string_view name, Value value) {
  for (auto& [held, slot] : scopes_.back().variables) {
    if (held != name) continue;
    slot = std::move(value);
    return;
  }
  scopes_.back().variables.emplace_back(name, std::move(value));
}

const Value* Scopes::find(std::string_view name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    for (const auto& [held, value] : scope->variables) {
      if (held == name) return &value;
    }
  }
  return nullptr;
}

Scopes::Hidden::Hidden(Scopes& scopes, const Place& place) : scopes_(scopes), depth_(place.depth) {
  const auto from = scopes_.scopes_.begin() + static_cast<std::ptrdiff_t>(depth_);
  hidden_.assign(std::make_move_iterator(from), std::make_move_iterator(scopes_.scopes_.end()));
  scopes_.scopes_.erase(from, scopes_.scopes_.end());
}

Scopes::Hidden::~Hidden() {
  scopes_.scopes_.resize(depth_);
  for (Scope& scope : hidden_) scopes_.scopes_.push_back(std::move(scope));
}

}  // namespace instructblip::jinja
