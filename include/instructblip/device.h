/// Where a model runs and how its weights are held.
#pragma once

namespace instructblip {

enum class DeviceType {
  automatic,  ///< the first CUDA device that the library can use, else the CPU
  cpu,
  cuda,
};

struct Device {
  DeviceType type = DeviceType::automatic;
  int index = 0;  ///< number of the CUDA device
};

/// How weights are held in memory. Activations are float32 on the CPU whatever is chosen here.
enum class Precision {
  automatic,  ///< as stored; widened to f32 where the machine has no fast path. Answers as float32
              ///< does.
  f32,
  f16,   ///< half the memory; values beyond 65504 are refused, the rest is rounded
  bf16,  ///< half the memory; 8 bits of mantissa
};

}  // namespace instructblip
