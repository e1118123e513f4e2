// What tests of compositions of ATen share.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "kernels/numbers.h"

namespace instructblip::kernels {

inline constexpr std::int64_t kOddSizes[] = {1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257};

inline std::vector<std::int64_t> odd_sizes() {
  return {std::begin(kOddSizes), std::end(kOddSizes)};
}

// A tensor of its own with these values.
inline at::Tensor tensor(const std::vector<float>& values, std::vector<std::int64_t> shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::dtype(at::kFloat)).clone();
}

inline std::span<const float> values_of(const at::Tensor& x) {
  return {x.const_data_ptr<float>(), static_cast<std::size_t>(x.numel())};
}

inline void expect_near(std::span<const float> got, std::span<const double> want,
                        std::span<const double> bound) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], bound[i]) << "element " << i << " of " << want.size();
  }
}

}  // namespace instructblip::kernels
