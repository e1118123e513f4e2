// What a device says while it works: how much memory it has, which step it knows, how far it is.
#pragma once

#include <cstdint>
#include <vector>

namespace instructblip::nn {

// Bytes of a device of its own memory.
struct DeviceMemory {
  std::int64_t free, total;
};

// Whose step it is, and every size and address that its operations depend on.
using StepKey = std::vector<std::int64_t>;

// A place in the work that was handed over to a device.
class DeviceMark {
 public:
  virtual ~DeviceMark() = default;
  // Waits until the work before it is done.
  virtual void wait() = 0;
};

}  // namespace instructblip::nn
