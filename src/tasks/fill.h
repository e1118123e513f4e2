// Places in templates.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace instructblip {

// `text` with each place, such as {question}, in the place of which its value is put; what is put
// in is not looked at again.
std::string filled(std::string_view text,
                   std::initializer_list<std::pair<std::string_view, std::string_view>> places);

}  // namespace instructblip
