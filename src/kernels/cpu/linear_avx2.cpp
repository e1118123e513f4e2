#include "kernels/cpu/linear_loops.h"

namespace instructblip::kernels::cpu {

void linear_block_avx2(const LinearBlock& block) { linear_block_of_any(block); }

void regroup_avx2(const RowsBySixteens& rows) { regroup(rows); }

void widen_avx2(const void* weights, Storage storage, std::int64_t count, float* out) {
  widen_any(weights, storage, count, out);
}

}  // namespace instructblip::kernels::cpu
