// Rotary position embedding. Su et al., RoFormer, 2021. Scaled for long texts in the ways that
// transformers calls linear, dynamic and llama3.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "config/language_config.h"
#include "nn/heads.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// The rotations of rows at their positions, ready to be applied.
class Rotation {
 public:
  // cos and sin of the angles [N, d/2].
  Rotation(const Runtime& runtime, const at::Tensor& angles);
  // For kernels of a device: cosines, then sines, [2, N, d/2] float32.
  explicit Rotation(const at::Tensor& planes);
  // x [N, H, d] -> [N, H, d]. Dimension j is paired with j + d/2, not with its neighbour.
  at::Tensor apply(const at::Tensor& x) const;
  // Queries and keys turned, at once or, on a device, where they are used.
  Heads turned(const Heads& heads) const;
  // What is still to be done to them.
  static Heads settled(const Heads& heads);

  // For kernels of a device: [N, d/2] float32; else undefined.
  const at::Tensor& cosines() const { return cosines_; }
  const at::Tensor& sines() const { return sines_; }

 private:
  mutable at::Tensor cosine_, sine_;  // [N, 1, d]; on a device made when they are first needed
  at::Tensor cosines_, sines_;
};

// Where rows stand, and how long what they belong to is by now: frequencies may depend on it.
struct RowPlaces {
  std::vector<std::int64_t> positions;
  std::vector<std::int64_t> lengths;  // each row's own request: its last position plus one
  at::Tensor there = {};              // the positions, int32 where the runtime has its tensors, if
                                      // they are there already
};

class RotaryEmbedding {
 public:
  // Positions whose angles a device keeps.
  static constexpr std::int64_t kKnown = 32768;

  // Frequencies theta^(-2j/d), j = 0 .. d/2 - 1, scaled.
  RotaryEmbedding(const Runtime& runtime, std::int64_t head_dim, double theta,
                  const RopeScaling& scaling);
  // The rotation of N rows at these N places.
  Rotation of(const RowPlaces& places) const;
  // The longest text whose rotations depend on nothing but positions.
  std::int64_t reach() const;
  // Whether it depends on more than positions: on lengths beyond those of the training, or of what
  // a device has in memory.
  bool looks_at(std::span<const std::int64_t> lengths) const;

 private:
  // [1, d/2] for all rows, or [n, d/2].
  at::Tensor frequencies_at(std::span<const std::int64_t> lengths) const;
  // The frequencies of a request that is `length` long, [1, d/2].
  at::Tensor frequencies_of(std::int64_t length) const;

  const Runtime* runtime_;
  std::int64_t head_dim_;
  double theta_;
  RopeScaling scaling_;
  at::Tensor frequencies_;  // [1, d/2], for requests of ordinary length
  at::Tensor planes_;  // [2, kKnown, d/2], the cosines and sines of positions, where kernels of
                       // a device read them
};

}  // namespace instructblip::nn
