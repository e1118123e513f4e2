#include "kernels/queue.h"

#include <algorithm>

namespace instructblip::kernels {

std::int64_t grain_of(std::int64_t work, std::int64_t worth_a_thread) {
  return std::max<std::int64_t>(1, worth_a_thread / std::max<std::int64_t>(1, work));
}

void SerialQueue::run(std::int64_t count, std::int64_t /*grain*/, Tasks tasks) {
  if (count > 0) tasks(0, count);
}

}  // namespace instructblip::kernels
