// Objects of JSON that a user has written.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace instructblip::cli {

// The object that `text` is. Throws std::invalid_argument for another value and for a key that is
// there twice, of whose values one would be dropped in silence, and nlohmann's parse_error.
nlohmann::ordered_json object_of(const std::string& text);

}  // namespace instructblip::cli
