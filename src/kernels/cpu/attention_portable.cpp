#include "kernels/cpu/attention_loops.h"

namespace instructblip::kernels::cpu {

void attention_rows_portable(const AttentionRows& rows) { attention_rows(rows); }

}  // namespace instructblip::kernels::cpu
