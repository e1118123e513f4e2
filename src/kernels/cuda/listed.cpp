#include "kernels/cuda/kernels.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr const char* kProduct =
    "products of few rows, with the norm before and what follows where one launch has it";

constexpr Listed kListed[] = {
    {"activation", "f(x + bias), or f(x) g of gated rows", "sm_80", kRowInvariant, 80},
    {"attention", "attention of whole sequences, packed", "sm_80", kRowInvariant, 80},
    {"kv_append", "new keys and values into their pages, turned by their positions", "sm_80",
     kRowInvariant, 80},
    {"next_rows", "the rows that a search goes on with, before the host knows", "sm_80",
     kRowInvariant, 80},
    {"norm", "LayerNorm and RMSNorm", "sm_80", kRowInvariant, 80},
    {"paged_attention",
     "attention of a step over pages, several requests at once",
     "sm_80",
     {},
     80},
    {"pixel_values", "bytes of pictures, looked up", "sm_80", kRowInvariant, 80},
    {"product", kProduct, "bulk_sm_90", kRowInvariant, 90, /*this_one=*/true},
    {"product", kProduct, "ring_sm_80", kRowInvariant, 80},
    {"product", kProduct, "skinny_sm_80", kRowInvariant, 80},
    {"qformer_layer", "a layer of a Q-Former over a few pictures, in eight launches or five",
     "sm_80", kRowInvariant, 80},
    {"row_summary", "normaliser, best and named logits of each row", "sm_80", kRowInvariant, 80},
};

}  // namespace

std::span<const Listed> listed() { return kListed; }

}  // namespace instructblip::kernels::cuda
