#include "cli/json_object.h"

#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

namespace instructblip::cli {

nlohmann::ordered_json object_of(const std::string& text) {
  using Object = nlohmann::ordered_json;
  std::vector<std::set<std::string>> open;  // the keys of each object that has not ended
  const auto once = [&](int, Object::parse_event_t event, Object& value) {
    if (event == Object::parse_event_t::object_start) open.emplace_back();
    if (event == Object::parse_event_t::object_end) open.pop_back();
    if (event != Object::parse_event_t::key) return true;
    const auto key = value.get<std::string>();
    if (open.back().insert(key).second) return true;
    throw std::invalid_argument("key " + value.dump() + " is there twice");
  };
  Object object = Object::parse(text, once);
  if (!object.is_object()) throw std::invalid_argument("expected an object");
  return object;
}

}  // namespace instructblip::cli
