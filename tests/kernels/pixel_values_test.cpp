#include "kernels/pixel_values.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/many_threads.h"

namespace instructblip::kernels {
namespace {

PixelTable table() {
  PixelTable table;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      table[channel][byte] = 0.01F * static_cast<float>(byte) - 0.5F * static_cast<float>(channel);
    }
  }
  return table;
}

// More pixels than a task has, and fewer.
TEST(PixelValues, AreLookedUpChannelByChannel) {
  test::ManyThreads threads;
  for (const std::int64_t pixels : {1, 4096, 9001}) {
    constexpr std::int64_t kPictures = 2;
    std::vector<std::uint8_t> in;
    for (std::int64_t i = 0; i < kPictures * pixels * 3; ++i) {
      in.push_back(static_cast<std::uint8_t>(i * 7 % 256));
    }
    std::vector<float> out(in.size(), -9.0F);
    look_up_pixels(table(), kPictures, pixels, {in.data(), out.data()}, threads);
    std::size_t at = 0;
    for (std::int64_t picture = 0; picture < kPictures; ++picture) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        for (std::int64_t i = 0; i < pixels; ++i, ++at) {
          const std::uint8_t byte =
              in[static_cast<std::size_t>((picture * pixels + i) * 3) + channel];
          ASSERT_EQ(out[at], table()[channel][byte]) << picture << " " << channel << " " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels
