// In how many bits each part of a model is held.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/dtype.h"
#include "instructblip/device.h"
#include "nn/weights.h"

namespace instructblip {

class WeightPolicy {
 public:
  // That of Precision::q8 or q4, with the changes that `text` names: "vision=q8,head=half". Throws
  // Error(invalid_argument).
  WeightPolicy(Precision precision, std::string_view text);

  nn::Format format(nn::Module module, DType stored) const;
  // All of it, as the constructor reads it.
  std::string text() const;

 private:
  enum class Bits { half, f32, bf16, q8, q4 };

  void change(std::string_view text);
  Bits& bits_of(std::string_view module);

  std::array<Bits, nn::kModules> bits_{};  // half: 16, bf16 where a weight is stored so, else f16
};

// The modules by the names that a policy has for them.
std::string_view name_of(nn::Module module);

}  // namespace instructblip
