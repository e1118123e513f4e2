// Checkpoints of a few tensors with values, for tests of single stages.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_store.h"
#include "core/shape.h"
#include "support/temp_directory.h"

namespace instructblip::test {

using NamedShapes = std::vector<std::pair<std::string, Shape>>;

// Values between -0.5 and 0.5 that differ from tensor to tensor and from element to element.
inline std::vector<float> varied_values(std::int64_t count, std::size_t seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = 0.5F * std::sin(1.7F * static_cast<float>(i) + 3.1F * static_cast<float>(seed));
  }
  return values;
}

// Values between -1 and 1 without a pattern, which products would average out.
inline std::vector<float> random_values(std::int64_t count, std::size_t seed) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random()) / 2147483648.0F - 1.0F;
  return values;
}

// The file lies in `directory`, which must outlive the store.
inline std::shared_ptr<const TensorStore> varied_store(
    const TempDirectory& directory, const NamedShapes& shapes,
    std::vector<float> (*values_of)(std::int64_t count, std::size_t seed) = varied_values) {
  std::vector<std::vector<float>> values;
  for (const auto& [name, shape] : shapes) {
    values.push_back(values_of(checked_elements(shape).value(), values.size()));
  }
  std::vector<TensorToWrite> tensors;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    tensors.push_back(
        {shapes[i].first, DType::f32, shapes[i].second, std::as_bytes(std::span(values[i]))});
  }
  write_safetensors(directory / "model.safetensors", tensors);
  return std::make_shared<const TensorStore>(TensorStore::open(directory.path()));
}

}  // namespace instructblip::test
