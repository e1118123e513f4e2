#include "kernels/cuda/kernels.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr Listed kListed[] = {
    {"activation", "f(x + bias), or f(x) g of gated rows", "sm_80", kRowInvariant, 80},
    {"attention", "attention of whole sequences, packed", "sm_80", kRowInvariant, 80},
    {"kv_append", "new keys and values into their pages, turned by their positions", "sm_80",
     kRowInvariant, 80},
    {"norm", "LayerNorm and RMSNorm", "sm_80", kRowInvariant, 80},
    {"paged_attention",
     "attention of a step over pages, several requests at once",
     "sm_80",
     {},
     80},
    {"skinny", "y = x w^T + bias + residual of up to 32 rows", "sm_80", kRowInvariant, 80},
};

}  // namespace

std::span<const Listed> listed() { return kListed; }

}  // namespace instructblip::kernels::cuda
