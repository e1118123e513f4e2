// A CUDA device for tests of hardware, where there is one and the part for it was built.
#pragma once

#include "instructblip/pipeline.h"
#include "loading/devices.h"

namespace instructblip::test {

// What DeviceType::automatic takes. A test skips itself where that is the processor:
// `if (!choice.cuda) GTEST_SKIP() << choice.why_not;`.
inline DeviceChoice automatic_device() {
  LoadOptions options;
  options.device.type = DeviceType::automatic;
  return choose_device(options);
}

}  // namespace instructblip::test
