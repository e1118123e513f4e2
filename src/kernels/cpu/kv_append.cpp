#include "kernels/cpu/kv_append.h"

#include <algorithm>

namespace instructblip::kernels::cpu {
namespace {

// Elements below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 16;

}  // namespace

void kv_append_portable(const KvAppendProblem& p, const KvAppendBuffers& b, Queue& queue) {
  const std::int64_t size = p.key_heads * p.width;
  const auto tasks = [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t page = b.slots[i] / p.page_positions;
      const std::int64_t place = b.slots[i] % p.page_positions;
      for (std::int64_t head = 0; head < p.key_heads; ++head) {
        const std::int64_t from = i * size + head * p.width;
        const std::int64_t to = (head * p.page_positions + place) * p.width;
        std::copy_n(b.keys + from, p.width, b.pages_of_keys[page] + to);
        std::copy_n(b.values + from, p.width, b.pages_of_values[page] + to);
      }
    }
  };
  queue.run(p.positions, grain_of(size, kWorthAThread), tasks);
}

}  // namespace instructblip::kernels::cpu
