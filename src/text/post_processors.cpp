#include "text/post_processors.h"

#include <utility>

namespace instructblip {

std::vector<std::int32_t> post_process(const PostProcessor& processor,
                                       std::vector<std::int32_t> ids) {
  for (const Template& items : processor) {
    std::vector<std::int32_t> filled;
    for (const TemplateItem& item : items) {
      const auto& part = item.is_text ? ids : item.ids;
      filled.insert(filled.end(), part.begin(), part.end());
    }
    ids = std::move(filled);
  }
  return ids;
}

}  // namespace instructblip
