// Weights of 8 and 4 bits as `instructblip quantize` writes them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/tensor_store.h"

namespace instructblip {

// What config.json says of such weights, in quantization_config.
struct OwnQuantisation {
  std::string weights;  // "q8" or "q4"
  std::string policy;   // how each module is held
};

inline constexpr std::string_view kOwnMethod = "instructblip";
// Number of the layout of tensors. A later one is refused; see docs/quantisation.md.
inline constexpr int kOwnFormat = 1;

// Names of what is stored of a matrix of `bits`: its elements, a scale for each row or block of 32
// columns, and of 4 bits its shape.
struct OwnNames {
  std::string elements, scales, shape;
};
OwnNames own_names(std::string_view matrix, int bits);

// None where the weights of `directory` are as others write them. Throws Error(unsupported) for a
// later format, Error(bad_model) for a description that lacks something.
std::optional<OwnQuantisation> own_quantisation(const std::filesystem::path& directory);

// The store with each matrix under its name, whose values are the stored ones times their scales.
// Throws Error(bad_model) for parts that are missing or do not fit each other, all in one.
TensorStore with_matrices(TensorStore store, const std::filesystem::path& directory);

}  // namespace instructblip
