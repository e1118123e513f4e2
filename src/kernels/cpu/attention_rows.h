// What the files of one instruction set compute of an attention of whole sequences. Known to them,
// so it includes nothing that brings functions with it.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cpu {

// Columns of a panel of keys or values.
inline constexpr std::int64_t kColumnsOfPanel = 16;

inline constexpr std::int64_t kMostRowsOfBlock = 48;

// Some rows of one sequence, with all query heads that use one key head.
struct AttentionRows {
  std::int64_t keys, width;
  std::int64_t group;  // query heads
  float divisor;

  // Row 0 of the sequence, from the first of these heads on; each row `stride` numbers behind the
  // one before.
  const float* query_rows;
  const float* key_rows;
  const float* value_rows;
  std::int64_t query_stride, key_stride, value_stride;
  const float* bias;         // that of row 0 and key 0; or null
  std::int64_t bias_stride;  // from a head to the next
  float* out;
  std::int64_t out_stride;

  std::int64_t first_row, last_row;
  std::int64_t seen_by_first;  // keys that row 0 of the sequence sees
  bool causal;                 // each row sees one more than the row before

  // Room for what is seen, in panels: keys [width][16], values [keys][16].
  float* key_panels;
  float* value_panels;
  // Room for a block of rows: scores, `keys` rounded up to 16, and sums, `width` rounded up.
  std::int64_t rows_of_block;
  float* scores;
  float* sums;
};

using RunAttentionRows = void (*)(const AttentionRows& rows);

void attention_rows_avx512(const AttentionRows& rows);
void attention_rows_avx2(const AttentionRows& rows);
void attention_rows_portable(const AttentionRows& rows);

}  // namespace instructblip::kernels::cpu
