#include "tasks/fill.h"

namespace instructblip {

std::string filled(std::string_view text,
                   std::initializer_list<std::pair<std::string_view, std::string_view>> places) {
  std::string out;
  while (!text.empty()) {
    std::size_t taken = 1;
    std::string_view put = text.substr(0, 1);
    for (const auto& [place, value] : places) {
      if (!text.starts_with(place)) continue;
      taken = place.size();
      put = value;
    }
    out += put;
    text.remove_prefix(taken);
  }
  return out;
}

}  // namespace instructblip
