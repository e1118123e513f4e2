#include <immintrin.h>

#include "kernels/cpu/resample_loops.h"

namespace instructblip::kernels::cpu {
namespace {

// A lane is a row of the picture, and a word of it the 16-bit values of two neighbouring pixels in
// one channel: a product and a sum of two taps are one instruction, and no sum goes across lanes.
constexpr int kRows = kRowsTogether;
constexpr int kPairBytes = 6;  // R G B R G B

// Words of four rows at two pixels: [channel][row].
inline void split_pair(const std::uint8_t* const* rows, std::ptrdiff_t at, __m128i* words) {
  const __m128i by_channel =
      _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  const auto pair = [&](int row) {
    return _mm_shuffle_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows[row] + at)),
                            by_channel);
  };
  const __m128i a = pair(0), b = pair(1), c = pair(2), d = pair(3);
  const __m128i ab = _mm_unpacklo_epi32(a, b), cd = _mm_unpacklo_epi32(c, d);
  words[0] = _mm_unpacklo_epi64(ab, cd);
  words[1] = _mm_unpackhi_epi64(ab, cd);
  words[2] = _mm_unpacklo_epi64(_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
}

// [pairs of pixels][channel][row]
inline void split_pairs(const std::uint8_t* const* rows, std::ptrdiff_t first, std::ptrdiff_t count,
                        std::int32_t* to) {
  for (std::ptrdiff_t pair = 0; pair < count; ++pair) {
    __m128i upper[3], lower[3];
    split_pair(rows, (first + pair) * kPairBytes, upper);
    split_pair(rows + 4, (first + pair) * kPairBytes, lower);
    for (int channel = 0; channel < 3; ++channel, to += kRows) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(to),
                         _mm256_set_m128i(lower[channel], upper[channel]));
    }
  }
}

// The last pixels, whose eight bytes may end behind their rows.
inline void split_last_pairs(const RowsToResample& r, std::ptrdiff_t first) {
  constexpr std::ptrdiff_t kMost = 2;
  const std::ptrdiff_t pairs = (r.width + 1) / 2, bytes = 3 * r.width;
  std::uint8_t copies[kRows][kMost * kPairBytes + 8] = {};
  const std::uint8_t* rows[kRows];
  for (int row = 0; row < kRows; ++row) {
    for (std::ptrdiff_t i = first * kPairBytes; i < bytes; ++i) {
      copies[row][i - first * kPairBytes] = r.rows[row][i];
    }
    rows[row] = copies[row];
  }
  split_pairs(rows, 0, pairs - first, r.words + first * 3 * kRows);
}

inline __m256i rounded(__m256i high, __m256i low, int precision) {
  const __m256i half = _mm256_set1_epi32(static_cast<int>(1U << precision >> 1));
  const __m256i sum =
      _mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, kSplit), low), half);
  return _mm256_sra_epi32(sum, _mm_cvtsi32_si128(precision));
}

// Eight words as bytes, clamped.
inline void store_bytes(__m256i values, std::uint8_t* to) {
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
}

// An output position of the rows, [channel][row].
inline void sum_taps(const RowsToResample& r, std::ptrdiff_t output, std::uint8_t* to) {
  const std::int32_t* in = r.words + std::ptrdiff_t{r.first[output]} * 3 * kRows;
  const std::int32_t* weights = r.weights + output * 2 * r.pairs;
  __m256i high[3], low[3];
  for (int channel = 0; channel < 3; ++channel)
    high[channel] = low[channel] = _mm256_setzero_si256();
  for (int pair = 0; pair < r.count[output]; ++pair, weights += 2, in += 3 * kRows) {
    const __m256i high_weights = _mm256_set1_epi32(weights[0]);
    const __m256i low_weights = _mm256_set1_epi32(weights[1]);
    for (int channel = 0; channel < 3; ++channel) {
      const __m256i x = _mm256_load_si256(reinterpret_cast<const __m256i*>(in + channel * kRows));
      high[channel] = _mm256_add_epi32(high[channel], _mm256_madd_epi16(x, high_weights));
      low[channel] = _mm256_add_epi32(low[channel], _mm256_madd_epi16(x, low_weights));
    }
  }
  for (int channel = 0; channel < 3; ++channel) {
    store_bytes(rounded(high[channel], low[channel], r.precision), to + channel * kRows);
  }
}

// Eight bytes of eight columns [8][row] to as many of each row.
inline void turn(const std::uint8_t* columns, std::uint8_t* const* rows, std::ptrdiff_t at,
                 int count) {
  const auto two = [&](int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(columns + i * kRows));
  };
  const auto interleaved = [](__m128i both) {  // columns i and i + 1 of each row
    return _mm_unpacklo_epi8(both, _mm_srli_si128(both, 8));
  };
  const __m128i a = interleaved(two(0)), b = interleaved(two(2)), c = interleaved(two(4)),
                d = interleaved(two(6));
  const __m128i ab[] = {_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b)};
  const __m128i cd[] = {_mm_unpacklo_epi16(c, d), _mm_unpackhi_epi16(c, d)};
  for (int row = 0; row < count; ++row) {
    const int part = row / 4;
    const __m128i all = row % 4 < 2 ? _mm_unpacklo_epi32(ab[part], cd[part])
                                    : _mm_unpackhi_epi32(ab[part], cd[part]);
    auto* const to = reinterpret_cast<__m128i*>(rows[row] + at);
    _mm_storel_epi64(to, row % 2 == 0 ? all : _mm_srli_si128(all, 8));
  }
}

}  // namespace

void resample_rows_avx2(const RowsToResample& r) {
  const std::ptrdiff_t pairs = (r.width + 1) / 2;
  const std::ptrdiff_t whole = pairs > 2 ? pairs - 2 : 0;
  split_pairs(r.rows, 0, whole, r.words);
  split_last_pairs(r, whole);
  std::uint8_t columns[8 * 3 * kRows];  // eight output positions
  for (std::ptrdiff_t output = 0; output < r.outputs; output += 8) {
    const std::ptrdiff_t count = r.outputs - output < 8 ? r.outputs - output : 8;
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      sum_taps(r, output + i, columns + i * 3 * kRows);
    }
    std::ptrdiff_t column = 0;
    for (; column + 8 <= 3 * count; column += 8) {
      turn(columns + column * kRows, r.out, output * 3 + column, r.stored);
    }
    for (; column < 3 * count; ++column) {
      for (int row = 0; row < r.stored; ++row) {
        r.out[row][output * 3 + column] = columns[column * kRows + row];
      }
    }
  }
}

void sum_rows_avx2(const RowsToSum& rows) { sum_rows(rows); }

}  // namespace instructblip::kernels::cpu
