#include "kernels/cpu/resample_loops.h"

namespace instructblip::kernels::cpu {

void resample_row_portable(const RowToResample& row) { resample_row(row); }

void sum_rows_portable(const RowsToSum& rows) { sum_rows(rows); }

}  // namespace instructblip::kernels::cpu
