#include "kernels/reference/kv_append.h"

namespace instructblip::kernels::reference {

void kv_append(const KvAppendProblem& p, const KvAppendBuffers& b, Queue& queue) {
  queue.run(p.positions * p.key_heads * p.width, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t element = i % p.width;
      const std::int64_t head = i / p.width % p.key_heads;
      const std::int64_t slot = b.slots[i / (p.width * p.key_heads)];
      const std::int64_t page = slot / p.page_positions;
      const std::int64_t to =
          (head * p.page_positions + slot % p.page_positions) * p.width + element;
      b.pages_of_keys[page][to] = b.keys[i];
      b.pages_of_values[page][to] = b.values[i];
    }
  });
}

}  // namespace instructblip::kernels::reference
