#include "kernels/cuda/tiled_product.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "emulator/tiled_matrix.h"
#include "kernels/cuda/shared_bytes.h"
#include "support/operations.h"

namespace instructblip::kernels::cuda {
namespace {

using emulator::half_numbers;
using emulator::kRoundingOf;
using emulator::kUntouched;
using Norm = TiledProductProblem::Norm;
using Finish = TiledProductProblem::Finish;
using Layout = TiledProductProblem::Layout;

template <class T>
TiledProductProblem problem_of(const Matrix<T>& w, std::int32_t rows) {
  TiledProductProblem problem;
  problem.element = kHalf<T> ? Element::f16 : Element::bf16;
  problem.weights = w.format;
  problem.rows = rows;
  problem.inputs = w.inputs;
  problem.outputs = w.outputs;
  problem.processors = 2;  // a block has several tiles
  return problem;
}

// In every order, in both ways, with tiles and, where they are given, with rows: all have the same
// bits.
template <class U>
std::vector<U> run(TiledProductProblem problem, TiledProductBuffers buffers,
                   const void* rows = nullptr) {
  std::vector<U> y(static_cast<std::size_t>(problem.rows * problem.outputs));
  std::vector<U> first;
  for (const Layout layout : {Layout::tiles, Layout::rows}) {
    if (layout == Layout::rows && rows == nullptr) continue;
    problem.layout = layout;
    if (layout == Layout::rows) buffers.tiles = rows;
    for (const bool bulk : emulator::with_and_without_bulk_copies()) {
      problem.bulk_copies = bulk;
      buffers.y = y.data();
      EXPECT_EQ(tiled_product_refuses(problem, buffers), nullptr);
      emulator::run_in_every_order(
          y, [&] { EXPECT_EQ(multiply_tiles(problem, buffers, nullptr, true), 0); });
      if (first.empty()) first = y;
      EXPECT_EQ(std::memcmp(first.data(), y.data(), y.size() * sizeof(U)), 0)
          << (layout == Layout::rows ? "rows" : "tiles") << (bulk ? " in bulk" : "");
    }
  }
  return y;
}

// Rows where weights have the element's format, else none.
template <class T>
const void* if_own(const Matrix<T>& w, const std::vector<T>& rows) {
  return w.format == kOwnFormat<T> ? rows.data() : nullptr;
}

// x w^T and how much its sums may be off, in double precision.
struct Product {
  double value, error;
};
template <class T>
Product product(const Matrix<T>& w, const std::vector<float>& x, std::int32_t row,
                std::int32_t output) {
  double sum = 0.0, size = 0.0;
  for (std::int32_t k = 0; k < w.inputs; ++k) {
    const double one = double{x[static_cast<std::size_t>(row * w.inputs + k)]} *
                       w.elements[static_cast<std::size_t>(output * w.inputs + k)];
    sum += one;
    size += std::abs(one);
  }
  return {sum, roundings(w.inputs + 10) * (size + 16)};
}

template <class U>
double wide(U value) {
  if constexpr (std::is_same_v<U, float>) {
    return value;
  } else {
    return dev::widen(value);
  }
}

template <class T, class U>
void expect_plain(Format format, std::int32_t rows, std::int32_t inputs, std::int32_t outputs,
                  bool activates = false) {
  SCOPED_TRACE(std::to_string(static_cast<int>(format)) + ": " + std::to_string(rows) + " x " +
               std::to_string(inputs) + " x " + std::to_string(outputs));
  const Matrix<T> w(format, outputs, inputs, 2);
  const Tiles tiles = plain_tiles(w);
  const std::vector<T> as_it_lies = rows_of(w);
  const std::vector<T> x = half_numbers<T>(std::int64_t{rows} * inputs, 1);
  const std::vector<T> bias = half_numbers<T>(outputs, 3);
  const std::vector<T> residual = half_numbers<T>(std::int64_t{rows} * outputs, 4);
  TiledProductProblem problem = problem_of(w, rows);
  TiledProductBuffers buffers{x.data(), tiles.data()};
  constexpr bool kWide = std::is_same_v<U, float>;
  problem.wide = kWide;
  problem.activates = activates;
  problem.gate = Activation::relu;
  if (!kWide) {
    buffers.bias = bias.data();
    buffers.residual = residual.data();
  }
  const std::vector<U> y = run<U>(problem, buffers, if_own(w, as_it_lies));
  const std::vector<float> x_wide = emulator::widened(x);
  for (std::int32_t i = 0; i < rows * outputs; ++i) {
    const auto at = static_cast<std::size_t>(i);
    Product want = product(w, x_wide, i / outputs, i % outputs);
    if (!kWide) want.value += dev::widen(bias[static_cast<std::size_t>(i % outputs)]);
    if (activates) want.value = std::max(want.value, 0.0);
    if (!kWide) want.value += dev::widen(residual[at]);
    ASSERT_NEAR(wide(y[at]), want.value, kRoundingOf<U> * std::abs(want.value) + want.error) << i;
  }
}

TEST(TiledProductTest, AgreesWithDoublePrecision) {
  for (const Format format : {Format::f16, Format::w8, Format::w4}) {
    expect_plain<dev::Half, dev::Half>(format, 1, 8, 1);
    expect_plain<dev::Half, float>(format, 5, 1000, 40);
    expect_plain<dev::Half, dev::Half>(format, 9, 520, 33);
    expect_plain<dev::Half, dev::Half>(format, 32, 264, 48);
  }
  for (const Format format : {Format::bf16, Format::w8, Format::w4}) {
    expect_plain<dev::Bfloat, dev::Bfloat>(format, 8, 2184, 65);
    expect_plain<dev::Bfloat, float>(format, 17, 136, 16);
  }
  expect_plain<dev::Half, dev::Half>(Format::f16, 3, 1032, 50, /*activates=*/true);
  expect_plain<dev::Bfloat, dev::Bfloat>(Format::w8, 12, 72, 9, /*activates=*/true);
}

TEST(TiledProductTest, RowHasTheSameBitsBesideOthersAndOnAnyNumberOfProcessors) {
  const Matrix<dev::Half> w(Format::w4, 70, 520, 2);
  const Tiles tiles = plain_tiles(w);
  const std::vector<dev::Half> x = half_numbers<dev::Half>(std::int64_t{17} * 520, 1);
  TiledProductProblem problem = problem_of(w, 1);
  problem.wide = true;
  const std::vector<float> alone = run<float>(problem, {x.data(), tiles.data()});
  for (const std::int32_t rows : {6, 17}) {
    problem.rows = rows;
    problem.processors = rows;
    const std::vector<float> y = run<float>(problem, {x.data(), tiles.data()});
    EXPECT_TRUE(same_bits(alone, std::vector<float>(y.begin(), y.begin() + 70)));
  }
}

template <class T>
void expect_gated(Format format, Activation gate) {
  constexpr std::int32_t kRows = 3, kInputs = 328, kOutputs = 44;
  const Matrix<T> w(format, kOutputs, kInputs, 2), v(format, kOutputs, kInputs, 3);
  const Tiles tiles = gated_tiles(w, v);
  const std::vector<T> as_they_lie = rows_of(w, &v);
  const std::vector<T> x = half_numbers<T>(std::int64_t{kRows} * kInputs, 1);
  TiledProductProblem problem = problem_of(w, kRows);
  problem.finish = Finish::gated;
  problem.gate = gate;
  const std::vector<T> y = run<T>(problem, {x.data(), tiles.data()}, if_own(w, as_they_lie));
  const std::vector<float> x_wide = emulator::widened(x);
  for (std::int32_t i = 0; i < kRows * kOutputs; ++i) {
    const Product g = product(w, x_wide, i / kOutputs, i % kOutputs);
    const Product u = product(v, x_wide, i / kOutputs, i % kOutputs);
    const double opened = gate == Activation::silu ? test::silu(g.value) : test::gelu_new(g.value);
    const double want = opened * u.value;
    // No activation here is steeper than 1.2.
    const double error = 1.2 * g.error * (std::abs(u.value) + u.error) +
                         std::abs(opened) * u.error + 3e-6 * std::abs(want) + 1e-7;
    ASSERT_NEAR(dev::widen(y[static_cast<std::size_t>(i)]), want,
                kRoundingOf<T> * std::abs(want) + error)
        << i;
  }
}

TEST(TiledProductTest, GatesWhatItMultiplies) {
  expect_gated<dev::Half>(Format::f16, Activation::silu);
  expect_gated<dev::Bfloat>(Format::bf16, Activation::gelu_new);
  expect_gated<dev::Bfloat>(Format::w8, Activation::gelu_new);
  expect_gated<dev::Half>(Format::w4, Activation::gelu_new);
}

// What is normalised on the way has the bits of what normalize() makes.
template <class T>
void expect_normalised(Format format, Norm norm, std::int32_t rows, std::int32_t inputs) {
  constexpr std::int32_t kOutputs = 24;
  const Matrix<T> w(format, kOutputs, inputs, 2);
  const Tiles tiles = plain_tiles(w);
  const std::vector<T> as_it_lies = rows_of(w);
  const std::vector<T> x = half_numbers<T>(std::int64_t{rows} * inputs, 1);
  const std::vector<T> weight = half_numbers<T>(inputs, 5), bias = half_numbers<T>(inputs, 6);
  TiledProductProblem problem = problem_of(w, rows);
  problem.wide = true;
  std::vector<T> normal(x.size());
  const NormProblem separate{problem.element, rows, inputs, 1e-5f, norm == Norm::layer};
  ASSERT_EQ(normalize(separate,
                      {x.data(), nullptr, nullptr, weight.data(),
                       norm == Norm::layer ? bias.data() : nullptr, normal.data()},
                      nullptr, false),
            0);
  ASSERT_EQ(emulator::fault_of({}), "");
  const std::vector<float> want = run<float>(problem, {normal.data(), tiles.data()});
  problem.norm = norm;
  problem.eps = 1e-5f;
  TiledProductBuffers buffers{x.data(), tiles.data()};
  buffers.norm_weight = weight.data();
  if (norm == Norm::layer) buffers.norm_bias = bias.data();
  EXPECT_TRUE(same_bits(want, run<float>(problem, buffers, if_own(w, as_it_lies))))
      << rows << " x " << inputs;
}

TEST(TiledProductTest, NormalisesAsItsOwnKernelDoes) {
  expect_normalised<dev::Half>(Format::w8, Norm::rms, 1, 4104);
  expect_normalised<dev::Bfloat>(Format::bf16, Norm::rms, 5, 520);
  expect_normalised<dev::Half>(Format::f16, Norm::layer, 8, 264);
  expect_normalised<dev::Bfloat>(Format::w4, Norm::layer, 2, 2560);
  expect_normalised<dev::Half>(Format::f16, Norm::rms, 12, 264);
  expect_normalised<dev::Bfloat>(Format::bf16, Norm::layer, 32, 136);
}

template <class T, std::int32_t kWidth>
void expect_heads(Format format, Layout layout, bool turned, bool biased) {
  constexpr std::int32_t kRows = 3, kInputs = 200, kQueryHeads = 4, kKeyHeads = 2;
  constexpr std::int32_t kHeads = kQueryHeads + 2 * kKeyHeads, kPage = 4;
  const Matrix<T> w(format, kHeads * kWidth, kInputs, 2);
  const std::vector<T> as_it_lies = rows_of(w);
  Tiles tiles(format, kInputs);
  if (layout == Layout::tiles) tiles = tiles_of_heads(w, kWidth);
  const std::vector<T> x = half_numbers<T>(kRows * kInputs, 1);
  const std::vector<T> bias = half_numbers<T>(kHeads * kWidth, 3);
  std::vector<float> cosines, sines;
  for (int i = 0; i < kRows * kWidth / 2; ++i) {
    cosines.push_back(std::cos(0.1f * static_cast<float>(i)));
    sines.push_back(std::sin(0.1f * static_cast<float>(i)));
  }
  const std::vector<std::int32_t> slots = {6, 1, 4};
  constexpr std::size_t kPageSize = kKeyHeads * kPage * kWidth,
                        kQueries = kRows * kQueryHeads * kWidth;
  // Queries, two pages of keys, two of values.
  std::vector<T> all(kQueries + 4 * kPageSize, T{kUntouched});
  TiledProductProblem problem = problem_of(w, kRows);
  problem.layout = layout;
  problem.finish = Finish::heads;
  problem.query_heads = kQueryHeads;
  problem.key_heads = kKeyHeads;
  problem.width = kWidth;
  problem.page_positions = kPage;
  for (const bool bulk : emulator::with_and_without_bulk_copies()) {
    problem.bulk_copies = bulk;
    std::ranges::fill(all, T{kUntouched});
    T* pages = all.data() + kQueries;
    const std::vector<void*> keys = {pages, pages + kPageSize};
    const std::vector<void*> values = {pages + 2 * kPageSize, pages + 3 * kPageSize};
    TiledProductBuffers buffers{x.data(),
                                layout == Layout::rows ? as_it_lies.data() : tiles.data()};
    if (biased) buffers.bias = bias.data();
    if (turned) {
      buffers.cosines = cosines.data();
      buffers.sines = sines.data();
    }
    buffers.slots = slots.data();
    buffers.pages_of_keys = keys.data();
    buffers.pages_of_values = values.data();
    buffers.queries = all.data();
    ASSERT_EQ(tiled_product_refuses(problem, buffers), nullptr);
    emulator::run_in_every_order(
        all, [&] { EXPECT_EQ(multiply_tiles(problem, buffers, nullptr, true), 0); });
    const std::vector<float> x_wide = emulator::widened(x);
    std::size_t written = 0;
    for (std::int32_t i = 0; i < kRows * kHeads * kWidth; ++i) {
      const std::int32_t row = i / (kHeads * kWidth), output = i % (kHeads * kWidth);
      const std::int32_t head = output / kWidth, d = output % kWidth, half = kWidth / 2;
      const auto sum = [&](std::int32_t o) {
        Product s = product(w, x_wide, row, o);
        if (biased) s.value += dev::widen(bias[static_cast<std::size_t>(o)]);
        return s;
      };
      Product want = sum(output);
      if (turned && head < kQueryHeads + kKeyHeads) {
        const Product other = sum(head * kWidth + (d + half) % kWidth);
        const auto plane = static_cast<std::size_t>(row * half + d % half);
        want.value =
            want.value * cosines[plane] + (d < half ? -other.value : other.value) * sines[plane];
        want.error += other.error + 1e-6 * (std::abs(want.value) + std::abs(other.value));
      }
      const std::int32_t slot = slots[static_cast<std::size_t>(row)];
      const T* at;
      if (head < kQueryHeads) {
        at = all.data() + (row * kQueryHeads + head) * kWidth + d;
      } else {
        const std::int32_t key_head = (head - kQueryHeads) % kKeyHeads;
        const auto& kind = head < kQueryHeads + kKeyHeads ? keys : values;
        at = static_cast<const T*>(kind[static_cast<std::size_t>(slot / kPage)]) +
             (key_head * kPage + slot % kPage) * kWidth + d;
      }
      ASSERT_NEAR(dev::widen(*at), want.value, kRoundingOf<T> * std::abs(want.value) + want.error)
          << "row " << row << ", head " << head << ", " << d;
      ++written;
    }
    std::size_t untouched = 0;
    for (const T value : all) untouched += value.bits == kUntouched ? 1 : 0;
    EXPECT_EQ(untouched, all.size() - written);
  }
}

TEST(TiledProductTest, PutsHeadsWhereAttentionFindsThem) {
  expect_heads<dev::Half, 48>(Format::f16, Layout::tiles, true, false);
  expect_heads<dev::Bfloat, 48>(Format::w4, Layout::tiles, true, true);
  expect_heads<dev::Half, 48>(Format::w8, Layout::tiles, false, true);
  expect_heads<dev::Half, 48>(Format::f16, Layout::rows, true, false);
  expect_heads<dev::Bfloat, 24>(Format::bf16, Layout::rows, true, true);
  expect_heads<dev::Half, 8>(Format::f16, Layout::rows, false, true);
}

// Two products, one behind the other: the second reads what the first writes.
TEST(TiledProductTest, WaitsForTheLaunchBefore) {
  using T = dev::Half;
  constexpr std::int32_t kSize = 96, kRows = 4;
  const Matrix<T> w(Format::w8, kSize, kSize, 2);
  const Tiles tiles = plain_tiles(w);
  const std::vector<T> x = half_numbers<T>(kRows * kSize, 1);
  TiledProductProblem problem = problem_of(w, kRows);
  for (const bool bulk : emulator::with_and_without_bulk_copies()) {
    problem.bulk_copies = bulk;
    std::vector<T> between(kRows * kSize), y(kRows * kSize), want;
    for (const bool overlaps : {false, true}) {
      emulator::run_in_every_order(y, [&] {
        std::ranges::fill(between, T{0x7e00});
        TiledProductBuffers first{x.data(), tiles.data(), between.data()};
        TiledProductBuffers second{between.data(), tiles.data(), y.data()};
        second.residual = x.data();
        EXPECT_EQ(multiply_tiles(problem, first, nullptr, overlaps), 0);
        EXPECT_EQ(multiply_tiles(problem, second, nullptr, overlaps), 0);
      });
      if (!overlaps) want = y;
    }
    EXPECT_EQ(std::memcmp(want.data(), y.data(), y.size() * sizeof(T)), 0);
  }
}

// By which a table tells whether a device has so much.
TEST(TiledProductTest, TakesNoMoreSharedMemoryThanIsSaid) {
  using T = dev::Half;
  constexpr std::int32_t kInputs = 200;
  const std::vector<T> x = half_numbers<T>(32 * kInputs, 1), norm = half_numbers<T>(kInputs, 2);
  for (const Format format : {Format::f16, Format::w8, Format::w4}) {
    const Matrix<T> w(format, 16, kInputs, 3);
    const Tiles tiles = plain_tiles(w);
    for (const std::int32_t rows : {1, 8, 9, 17, 32}) {
      for (const auto how : {Norm::none, Norm::rms, Norm::layer}) {
        TiledProductProblem problem = problem_of(w, rows);
        problem.norm = how;
        std::vector<T> y(static_cast<std::size_t>(rows * 16));
        TiledProductBuffers buffers{x.data(), tiles.data(), y.data()};
        if (how != Norm::none) buffers.norm_weight = norm.data();
        if (how == Norm::layer) buffers.norm_bias = norm.data();
        EXPECT_EQ(multiply_tiles(problem, buffers, nullptr, false), 0);
        const auto taken = static_cast<std::int64_t>(emulator::run_queue({}).shared_bytes);
        EXPECT_LE(taken, ring_shared_bytes(problem)) << rows;
      }
    }
  }
}

TEST(TiledProductTest, RefusesWhatItCannotDo) {
  const Matrix<dev::Half> w(Format::f16, 16, 16, 1);
  const auto why = [&](auto change) {
    TiledProductProblem problem = problem_of(w, 1);
    TiledProductBuffers buffers{};
    change(problem, buffers);
    const char* reason = tiled_product_refuses(problem, buffers);
    return std::string(reason == nullptr ? "" : reason);
  };
  EXPECT_EQ(why([](auto&, auto&) {}), "");
  EXPECT_EQ(why([](auto& p, auto&) { p.rows = 33; }), "there are at most 32 rows");
  EXPECT_EQ(why([](auto& p, auto&) { p.inputs = 12; }), "rows are as wide as a multiple of 8");
  EXPECT_EQ(why([](auto& p, auto&) {
              p.rows = 8;
              p.inputs = 8192;
              p.norm = Norm::rms;
            }),
            "rows that are normalised take at most 96 KiB");
  EXPECT_EQ(why([](auto& p, auto&) { p.weights = Format::bf16; }),
            "weights are of the element type, of 8 or of 4 bits");
  EXPECT_EQ(why([](auto& p, auto&) {
              p.weights = Format::w8;
              p.layout = Layout::rows;
            }),
            "weights in rows are of the element type");
  EXPECT_EQ(why([](auto& p, auto& b) {
              p.finish = Finish::gated;
              b.bias = &p;
            }),
            "a gate has no bias");
  EXPECT_EQ(why([](auto& p, auto&) {
              p.finish = Finish::gated;
              p.wide = true;
            }),
            "only a plain product is activated, added to a residual, or float32");
  EXPECT_EQ(why([](auto& p, auto&) {
              p.finish = Finish::heads;
              p.query_heads = p.key_heads = 1;
              p.width = 16;
            }),
            "heads are as wide as a multiple of 16, in rows of 8, and there are no other outputs");
  EXPECT_EQ(why([](auto& p, auto&) { p.processors = 0; }), "a device has a multiprocessor");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
