// A queue of more threads than there is need for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include "kernels/queue.h"

namespace instructblip::test {

// Each range that may be shared out on a thread of its own, up to eight of them.
class ManyThreads final : public kernels::Queue {
 public:
  void run(std::int64_t count, std::int64_t grain, kernels::Tasks tasks) override {
    constexpr std::int64_t kMost = 8;
    const std::int64_t length = std::max({std::int64_t{1}, grain, (count + kMost - 1) / kMost});
    std::vector<std::jthread> threads;
    for (std::int64_t first = 0; first < count; first += length) {
      threads.emplace_back([=] { tasks(first, std::min(count, first + length)); });
    }
  }
};

}  // namespace instructblip::test
