// What a device says while it works: how much memory it has, and how far it is.
#pragma once

#include <cstdint>

namespace instructblip::nn {

// Bytes of a device of its own memory.
struct DeviceMemory {
  std::int64_t free, total;
};

// A place in the work that was handed over to a device.
class DeviceMark {
 public:
  virtual ~DeviceMark() = default;
  // Waits until the work before it is done.
  virtual void wait() = 0;
};

}  // namespace instructblip::nn
