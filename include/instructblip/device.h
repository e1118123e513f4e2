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

/// How weights are held in memory. Activations are float32 on the CPU whatever is chosen here, but
/// what weights are multiplied with is rounded while it is where bf16, q8 or q4 is asked for,
/// numerics are fast, and the processor has products of so few bits (ModelInfo::rounds_rows).
enum class Precision {
  automatic,  ///< as stored; widened to f32 where the machine has no fast path. Answers as float32
              ///< does.
  f32,
  f16,   ///< half the memory; values beyond 65504 are refused, the rest is rounded
  bf16,  ///< half the memory; 8 bits of mantissa. With AVX-512 BF16 or AMX products of bf16
  q8,    ///< the language model, its head too, in 8 bits with a scale for each row; the rest in 16
  q4,    ///< its layers in 4 bits with a scale for each 32 elements, its head in 8; the rest in 16.
         ///< Both round as weights are loaded, and run as Numerics::fast does.
};

/// Which results operations may give. Token ids have been equal to the reference's by `automatic`,
/// `reference` and `fast` wherever they were compared (docs/exactness.md).
enum class Numerics {
  /// `fast` on a processor with AVX2, FMA and F16C, but for float32 weights, which stay where they
  /// lie in the file's map, so that loading takes no time and they are in memory once: own kernels
  /// read them there. `reference` on other processors and on a device.
  automatic,
  /// The reference's operations in its order: its results, but for the differences that a library's
  /// product has when a matrix has other rows, lies elsewhere or is shared out among more threads.
  reference,
  /// Every element is computed by one rule from its own row and column: the same bits in any batch,
  /// at any number of threads, on processors with the same vector instructions. Slower.
  deterministic,
  /// Products with weights, attention and RMSNorm by own kernels, which read the weights as they
  /// are stored, packed when they are loaded, and add up in float32 in another order than the
  /// reference. With them Precision::automatic widens nothing: weights that are stored in 16 bits
  /// take half the memory of float32.
  fast,
};

}  // namespace instructblip
