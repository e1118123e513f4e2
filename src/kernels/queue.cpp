#include "kernels/queue.h"

namespace instructblip::kernels {

void SerialQueue::run(std::int64_t count, std::int64_t /*grain*/, Tasks tasks) {
  if (count > 0) tasks(0, count);
}

}  // namespace instructblip::kernels
