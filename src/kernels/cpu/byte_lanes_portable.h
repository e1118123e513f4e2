// Products of bytes for any processor; see byte_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

struct Fours {
  struct Sums {
    std::int32_t all[kLanes];
  };
  struct Weights {
    std::int8_t all[kLanes][4];
  };
  static constexpr int kInputs = 32;
  static constexpr int kSteps = 8;
  static constexpr float kMost = 127.0f;

  INSTRUCTBLIP_KERNEL static Sums sums_from(const std::byte*) { return {}; }
  INSTRUCTBLIP_KERNEL static Lanes to_lanes(const Sums& x) {
    return each([&](std::int64_t i) { return static_cast<float>(x.all[i]); });
  }
  INSTRUCTBLIP_KERNEL static Weights load(const std::byte* from) {
    Weights weights;
    std::memcpy(weights.all, from, sizeof(weights.all));
    return weights;
  }
  INSTRUCTBLIP_KERNEL static void store(const Weights& x, std::byte* to) {
    std::memcpy(to, x.all, sizeof(x.all));
  }
  INSTRUCTBLIP_KERNEL static Sums add_products(const Sums& sums, const Weights& weights,
                                               const std::byte* x) {
    Sums result = sums;
    for (std::int64_t i = 0; i < kLanes; ++i) {
      for (int j = 0; j < 4; ++j) {
        result.all[i] += weights.all[i][j] * static_cast<std::int8_t>(x[j]);
      }
    }
    return result;
  }
};

struct FourBits : Fours {
  static constexpr bool kScaled = true;
  static constexpr std::int64_t kBytesOfPanelBlock = kBytesOf4Bits;

  INSTRUCTBLIP_KERNEL static Weights of_panel(const std::byte* block, int two, int step) {
    const std::byte* words = block + 2 * kLanes + two * 32;
    Weights weights;
    for (std::int64_t i = 0; i < 4 * kLanes; ++i) {
      const auto both = static_cast<std::uint8_t>(words[i]);
      weights.all[i / 4][i % 4] = static_cast<std::int8_t>((step == 0 ? both % 16 : both / 16) - 8);
    }
    return weights;
  }
  INSTRUCTBLIP_KERNEL static std::int32_t round(const Lanes& low, const Lanes& high,
                                                std::byte* to) {
    store_rounded_in_halves(low, to);
    store_rounded_in_halves(high, to + kLanes);
    return 0;
  }
};

struct EightBits : Fours {
  static constexpr bool kScaled = false;
  static constexpr std::int64_t kBytesOfPanelBlock = kInputs * kLanes;

  INSTRUCTBLIP_KERNEL static Weights of_panel(const std::byte* columns, int two, int step) {
    Weights weights;
    for (std::int64_t i = 0; i < 4 * kLanes; ++i) {
      weights.all[i / 4][i % 4] =
          static_cast<std::int8_t>(columns[((two + step) * 4 + i % 4) * kLanes + i / 4]);
    }
    return weights;
  }
  INSTRUCTBLIP_KERNEL static std::int32_t round(const Lanes& low, const Lanes& high,
                                                std::byte* to) {
    store_rounded(low, to);
    store_rounded(high, to + kLanes);
    return 0;
  }
};

}  // namespace
}  // namespace instructblip::kernels::cpu
