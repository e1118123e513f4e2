// What is put around the ids of a text.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace instructblip {

// A place in a template: fixed ids, or the text.
struct TemplateItem {
  bool is_text = false;
  std::vector<std::int32_t> ids;
};
using Template = std::vector<TemplateItem>;

// Templates applied one after the other.
using PostProcessor = std::vector<Template>;

std::vector<std::int32_t> post_process(const PostProcessor& processor,
                                       std::vector<std::int32_t> ids);

}  // namespace instructblip
