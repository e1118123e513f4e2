#include "kernels/cpu/paged_attention_loops.h"

namespace instructblip::kernels::cpu {

void paged_rows_portable(const PagedRows& rows) { paged_rows(rows); }

}  // namespace instructblip::kernels::cpu
