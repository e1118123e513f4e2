#include "benchmark/synthetic_weights.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

#include "core/errors.h"
#include "core/pages.h"
#include "core/shape.h"
#include "core/together.h"
#include "kernels/stored_rows.h"
#include "pipeline/stages.h"

namespace instructblip {
namespace {

using nn::Format;

DType dtype_of(const nn::RequestedTensor& tensor, DType stored) {
  return tensor.shape.size() > 1 ? stored : DType::f32;
}

bool is_rounded(Format format) { return format == Format::w8 || format == Format::w4; }

// How it is held: matrices as `as` chooses, all else as `stored` has it.
Format format_of(const nn::RequestedTensor& tensor, const MadeAs& as) {
  if (tensor.module && as.choose) return as.choose(*tensor.module, as.stored);
  switch (dtype_of(tensor, as.stored)) {
    case DType::f16:
      return Format::f16;
    case DType::bf16:
      return Format::bf16;
    default:
      return Format::f32;
  }
}

// Elements, and behind them the scales where there are any.
struct Sizes {
  std::size_t elements, scales = 0;
};

Sizes sizes_of(const nn::RequestedTensor& tensor, const MadeAs& as) {
  const Format format = format_of(tensor, as);
  if (is_rounded(format)) {
    const auto rows = static_cast<std::size_t>(tensor.shape[0]);
    const kernels::StoredSizes row = kernels::stored_sizes(format, tensor.shape[1]);
    return {rows * row.elements, rows * row.scales};
  }
  const std::size_t element = format == Format::f32 ? 4 : 2;
  return {static_cast<std::size_t>(checked_elements(tensor.shape).value()) * element};
}

// A matrix of a product, which may be packed. Tables are all of the module `rest`.
bool is_read_once(const nn::RequestedTensor& tensor) {
  return tensor.module && *tensor.module != nn::Module::rest;
}

// So that one matrix can be given back beside another.
std::size_t whole_pages(const Sizes& sizes) {
  constexpr std::size_t kPage = 4096;
  return (sizes.elements + sizes.scales + kPage - 1) / kPage * kPage;
}

// Bits of an element: those that are drawn, its sign and mantissa, and those that are not, its
// exponent. So every number is one of +-[1, 2) * 2^exponent, and any format is as fast to fill.
struct Pattern {
  std::uint64_t drawn, fixed;  // as many elements as 64 bits hold
};

constexpr std::uint64_t repeated(std::uint64_t element, int bits) {
  std::uint64_t all = 0;
  for (int at = 0; at < 64; at += bits) all |= element << at;
  return all;
}

Pattern pattern_of(DType dtype, int exponent) {
  switch (dtype) {
    case DType::f16:
      return {repeated(0x83FF, 16),
              repeated(static_cast<std::uint64_t>(std::max(exponent, -14) + 15) << 10, 16)};
    case DType::bf16:
      return {repeated(0x807F, 16), repeated(static_cast<std::uint64_t>(exponent + 127) << 7, 16)};
    default:
      return {repeated(0x807FFFFF, 32),
              repeated(static_cast<std::uint64_t>(exponent + 127) << 23, 32)};
  }
}

// Marsaglia's xorshift, several generators side by side: what a vector unit does well.
class Bits {
 public:
  explicit Bits(std::uint64_t seed) {
    for (std::uint64_t& state : states_) {
      seed += 0x9E3779B97F4A7C15;  // splitmix64
      std::uint64_t mixed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9;
      mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
      state = (mixed ^ (mixed >> 31)) | 1;
    }
  }

  const std::array<std::uint64_t, 8>& next() {
    for (std::uint64_t& x : states_) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
    }
    return states_;
  }

 private:
  std::array<std::uint64_t, 8> states_;
};

void fill(std::span<std::byte> bytes, const Pattern& pattern, std::uint64_t seed) {
  Bits bits(seed);
  std::array<std::uint64_t, 8> words;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(words)) {
    const auto& drawn = bits.next();
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] = (drawn[i] & pattern.drawn) | pattern.fixed;
    }
    std::memcpy(bytes.data() + at, words.data(), std::min(sizeof(words), bytes.size() - at));
  }
}

bool is_norm(const nn::RequestedTensor& tensor) {
  return tensor.shape.size() == 1 && tensor.name.ends_with("weight");
}

// Odd numbers of 8 bits, or any of 4, of a root mean square of 74 or 4.6, times a scale.
void fill_rounded(const nn::RequestedTensor& tensor, Format format, std::span<std::byte> elements,
                  std::span<std::byte> scales) {
  const bool eight = format == Format::w8;
  fill(elements, eight ? Pattern{repeated(0xFE, 8), repeated(1, 8)} : Pattern{~0ULL, 0},
       std::hash<std::string>{}(tensor.name));
  const double columns = static_cast<double>(tensor.shape[1]);
  const auto scale = static_cast<float>(1 / (std::sqrt(columns) * (eight ? 74 : 4.6)));
  // A float16 has the first bits of the mantissa, and a smaller bias of the exponent.
  const auto bits = std::bit_cast<std::uint32_t>(scale);
  const auto half = static_cast<std::uint16_t>((bits >> 13) - ((127 - 15) << 10));
  for (std::size_t at = 0; at < scales.size(); at += eight ? sizeof(scale) : sizeof(half)) {
    eight ? std::memcpy(scales.data() + at, &scale, sizeof(scale))
          : std::memcpy(scales.data() + at, &half, sizeof(half));
  }
}

void fill(const nn::RequestedTensor& tensor, DType dtype, std::span<std::byte> bytes) {
  if (is_norm(tensor)) {
    constexpr float kOne = 1.0f;
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(kOne)) {
      std::memcpy(bytes.data() + at, &kOne, sizeof(kOne));
    }
    return;
  }
  // The square mean of [1, 2) is 1.53. Biases are as small as the weights of 1024 columns.
  const double columns =
      tensor.shape.size() > 1 ? static_cast<double>(tensor.shape.back()) : 1024.0;
  const int exponent = static_cast<int>(std::floor(-std::log2(1.53 * std::sqrt(columns))));
  fill(bytes, pattern_of(dtype, exponent), std::hash<std::string>{}(tensor.name));
}

// What the system could hand out now; as much as can be where it does not tell.
std::int64_t available_memory() {
  std::ifstream stream("/proc/meminfo");
  for (std::string line; std::getline(stream, line);) {
    constexpr std::string_view kKey = "MemAvailable:";
    if (line.starts_with(kKey)) return std::stoll(line.substr(kKey.size())) * 1024;
  }
  return std::numeric_limits<std::int64_t>::max();
}

std::string gigabytes(std::int64_t bytes) {
  const std::int64_t tenths = bytes / 100'000'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GB";
}

void check_memory(std::int64_t bytes) {
  const std::int64_t available = available_memory();
  if (bytes <= available) return;
  throw Error(ErrorCode::out_of_memory,
              "made-up weights of " + gigabytes(bytes) + ", expected at most the " +
                  gigabytes(available) + " that are available",
              "cut the depth (--layers) or take a narrower type (--dtype)");
}

}  // namespace

std::vector<nn::RequestedTensor> tensors_of(const ModelConfig& config,
                                            const VisionEncoder::PixelSize& pixels) {
  const nn::Runtime runtime;
  nn::WeightLoader loader(runtime, nullptr, {.values = nn::Values::plan});
  const Stages stages(loader.root(), config, pixels);
  return loader.requested();
}

std::int64_t bytes_of(std::span<const nn::RequestedTensor> tensors, const MadeAs& as) {
  std::int64_t bytes = 0;
  for (const nn::RequestedTensor& tensor : tensors) {
    const Sizes sizes = sizes_of(tensor, as);
    bytes += static_cast<std::int64_t>(sizes.elements + sizes.scales);
  }
  return bytes;
}

std::shared_ptr<const TensorStore> synthetic_weights(std::span<const nn::RequestedTensor> tensors,
                                                     const MadeAs& as, int threads) {
  check_memory(bytes_of(tensors, as));
  std::size_t total = 0;
  for (const nn::RequestedTensor& tensor : tensors) {
    if (is_read_once(tensor)) total += whole_pages(sizes_of(tensor, as));
  }
  auto matrices = std::make_unique<Pages>(total, PageSize::ordinary);
  std::byte* next_matrix = matrices->bytes().data();
  // All else stays: a table of words is looked at by each step.
  TensorStore::Copies copies;
  std::vector<std::byte*> places;
  std::vector<TensorEntry> entries;
  for (const nn::RequestedTensor& tensor : tensors) {
    const Format format = format_of(tensor, as);
    const Sizes sizes = sizes_of(tensor, as);
    if (is_read_once(tensor)) {
      places.push_back(next_matrix);
      next_matrix += whole_pages(sizes);
    } else {
      copies.push_back(std::make_unique_for_overwrite<std::byte[]>(sizes.elements + sizes.scales));
      places.push_back(copies.back().get());
    }
    entries.push_back({.name = tensor.name,
                       .dtype = format == Format::f16    ? DType::f16
                                : format == Format::bf16 ? DType::bf16
                                                         : DType::f32,
                       .shape = tensor.shape,
                       .bytes = {places.back(), sizes.elements},
                       .file = "made-up weights"});
    if (!is_rounded(format)) continue;
    entries.back().scales =
        StoredScales{format == Format::w8 ? 8 : 4, {places.back() + sizes.elements, sizes.scales}};
  }
  std::atomic<std::size_t> next = 0;
  run_together(threads, [&](int) {
    for (std::size_t at; !as.stop.stop_requested() && (at = next++) < tensors.size();) {
      const Format format = format_of(tensors[at], as);
      const Sizes sizes = sizes_of(tensors[at], as);
      const std::span<std::byte> elements(places[at], sizes.elements);
      if (is_rounded(format)) {
        fill_rounded(tensors[at], format, elements,
                     {elements.data() + sizes.elements, sizes.scales});
      } else {
        fill(tensors[at], entries[at].dtype, elements);
      }
    }
  });
  return std::make_shared<const TensorStore>(
      TensorStore::of({}, std::move(copies), std::move(entries), std::move(matrices)));
}

}  // namespace instructblip
