// Primitives of the emulator against what PTX says of them.
#include <cmath>
#include <cstdint>
#include <vector>

#include "emulator/running.h"
#include "kernels/cuda/dev.h"

namespace instructblip::emulator {
namespace {

namespace dev = kernels::dev;

// c [16, 8] = a [16, 16] b [16, 8], all three through shared memory: a and b by ldmatrix, b as it
// lies in memory (transposed) or with its columns as rows.
template <class T>
__global__ void product(const T* a, const T* b, float* c, bool columns_as_rows) {
  const auto left = dev::shared_memory<T>();  // [16][16], padded to rows of 24
  const auto right = left + 16 * 24;          // [16][24], or [8][24]
  const unsigned lane = dev::lane();
  for (unsigned i = lane; i < 16 * 16; i += 32) left.store(i / 16 * 24 + i % 16, a[i]);
  for (unsigned i = lane; i < 16 * 8; i += 32) {
    right.store(columns_as_rows ? i % 8 * 24 + i / 8 : i / 8 * 24 + i % 8, b[i]);
  }
  if (!columns_as_rows) {  // the other half of its rows is loaded with it
    for (unsigned i = lane; i < 16 * 8; i += 32) right.store(i / 8 * 24 + 8 + i % 8, T{0});
  } else {
    for (unsigned i = lane; i < 8 * 16; i += 32) right.store((8 + i / 16) * 24 + i % 16, T{0});
  }
  dev::sync_warp();
  std::uint32_t fragment[4], other[4];
  dev::load_matrices(fragment, left + lane % 16 * 24 + lane / 16 * 8);
  if (columns_as_rows) {
    dev::load_matrices(other, right + (lane % 8 + lane / 16 * 8) * 24 + lane / 8 % 2 * 8);
  } else {
    dev::load_matrices_transposed(other, right + lane % 16 * 24 + lane / 16 * 8);
  }
  float sums[4] = {};
  dev::multiply<T>(sums, fragment, other[0], other[1]);
  for (unsigned i = 0; i < 4; ++i) {
    c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
  }
}

template <class T>
void expect_product(bool columns_as_rows) {
  std::vector<T> a, b;
  for (int i = 0; i < 256; ++i) a.push_back(dev::narrow<T>(static_cast<float>(i * 37 % 61 - 30)));
  for (int i = 0; i < 128; ++i) b.push_back(dev::narrow<T>(static_cast<float>(i * 53 % 59 - 29)));
  std::vector<float> c(128, std::nanf(""));
  dev::LaunchConfig config;
  config.threads = 32;
  config.shared_bytes = 16 * 24 * 2 * 2;
  run_in_every_order(c, [&] {
    EXPECT_EQ(dev::launch(config, product<T>, a.data(), b.data(), c.data(), columns_as_rows), 0);
  });
  for (std::size_t row = 0; row < 16; ++row) {
    for (std::size_t column = 0; column < 8; ++column) {
      float sum = 0.0f;  // integers: exact
      for (std::size_t k = 0; k < 16; ++k) {
        sum += dev::widen(a[row * 16 + k]) * dev::widen(b[k * 8 + column]);
      }
      EXPECT_EQ(c[row * 8 + column], sum) << row << ", " << column;
    }
  }
}

TEST(PrimitivesTest, ProductOfHalves) {
  expect_product<dev::Half>(false);
  expect_product<dev::Half>(true);
}
TEST(PrimitivesTest, ProductOfBfloats) {
  expect_product<dev::Bfloat>(false);
  expect_product<dev::Bfloat>(true);
}

__global__ void load_rows(unsigned pitch) {
  const auto rows = dev::shared_memory<dev::Half>();
  for (unsigned i = dev::lane(); i < 32 * pitch; i += 32) rows.store(i, {0});
  dev::sync_warp();
  std::uint32_t to[4];
  dev::load_matrices(to, rows + dev::lane() * pitch);
}

TEST(PrimitivesTest, CountsBankConflictsOfLoadedMatrices) {
  for (const auto& [pitch, conflicts] : {std::pair{64u, 28}, {72u, 0}, {32u, 24}}) {
    dev::LaunchConfig config;
    config.threads = 32;
    config.shared_bytes = 32 * pitch * 2;
    EXPECT_EQ(dev::launch(config, load_rows, pitch), 0);
    EXPECT_EQ(run_queue({}).bank_conflicts, conflicts) << pitch;
  }
}

__global__ void exchange(std::uint32_t* out) {
  const unsigned lane = dev::lane();
  out[lane] = dev::shuffle_xor(lane, 5);
  out[32 + lane] = dev::shuffle_down(lane, 8);
  out[64 + lane] = dev::shuffle_from(lane, 3);
  out[96 + lane] = dev::ballot(lane % 3 == 0);
}

TEST(PrimitivesTest, ExchangesBetweenLanes) {
  std::vector<std::uint32_t> out(128);
  dev::LaunchConfig config;
  config.threads = 32;
  run_in_every_order(out, [&] { EXPECT_EQ(dev::launch(config, exchange, out.data()), 0); });
  std::uint32_t thirds = 0;
  for (std::uint32_t l = 0; l < 32; ++l) thirds |= l % 3 == 0 ? 1u << l : 0;
  for (std::uint32_t l = 0; l < 32; ++l) {
    EXPECT_EQ(out[l], l ^ 5);
    EXPECT_EQ(out[32 + l], l + 8 < 32 ? l + 8 : l);
    EXPECT_EQ(out[64 + l], 3U);
    EXPECT_EQ(out[96 + l], thirds);
  }
}

TEST(PrimitivesTest, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(dev::narrow<dev::Bfloat>(1.0f + 0x1p-8f).bits, 0x3f80);  // halfway: even
  EXPECT_EQ(dev::narrow<dev::Bfloat>(1.0f + 3 * 0x1p-8f).bits, 0x3f82);
  EXPECT_EQ(dev::narrow<dev::Bfloat>(1.0f + 0x1.2p-8f).bits, 0x3f81);
  EXPECT_EQ(dev::narrow<dev::Half>(1.0f + 0x1p-11f).bits, 0x3c00);
  EXPECT_EQ(dev::narrow<dev::Half>(65520.0f).bits, 0x7c00);
  EXPECT_TRUE(std::isnan(dev::widen(dev::narrow<dev::Bfloat>(std::nanf("")))));
  EXPECT_EQ(dev::widen(dev::narrow<dev::Half>(0x1p-24f)), 0x1p-24f);
}

TEST(PrimitivesTest, PicksBytes) {
  EXPECT_EQ(dev::pick_bytes(0x33221100, 0x77665544, 0x4140), 0x44114400U);
  EXPECT_EQ(dev::pick_bytes(0x33221100, 0x77665544, 0x7632), 0x77663322U);
}

}  // namespace
}  // namespace instructblip::emulator
