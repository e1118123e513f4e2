#include "kernels/cpu/resample_loops.h"

namespace instructblip::kernels::cpu {

void resample_row_avx2(const RowToResample& row) { resample_row(row); }

void sum_rows_avx2(const RowsToSum& rows) { sum_rows(rows); }

}  // namespace instructblip::kernels::cpu
