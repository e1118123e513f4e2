// From the bytes of a checkpoint to tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "checkpoint/tensor_store.h"
#include "nn/packed_matrix.h"

namespace instructblip::nn {

at::ScalarType scalar_type(DType dtype);

// Whether no value is NaN or an infinity.
bool is_finite(const at::Tensor& x);

// The matrix of an entry that is stored in 8 or 4 bits. Throws Error(bad_model) where its scales
// are damaged.
StoredMatrix stored_matrix(const TensorEntry& entry);

// Rows first .. first + count - 1 of an entry whose bytes are its values.
TensorEntry some_rows(const TensorEntry& entry, std::int64_t first, std::int64_t count);

// Whether `lent()` may be used: not where a writer did not pad its header, or where the values are
// still to be computed.
bool is_lendable(const TensorEntry& entry);

// The values of `entry` where they lie in the map, which stays open as long as the tensor lives.
at::Tensor lent(const TensorEntry& entry, std::shared_ptr<const TensorStore> store);

// The values of `entry`, read or computed, in memory of their own, or in `room`, of their shape and
// type, where that is defined and they are no more than converted. The file's pages are given back
// as it goes. Throws Error(unsupported) for values beyond the range of a half that is wanted,
// Error(bad_model) where a LoRA change yields values that are not finite, or as stored_matrix().
at::Tensor values_of(const TensorEntry& entry, const std::shared_ptr<const TensorStore>& store,
                     at::ScalarType wanted, const at::Tensor& room = {});

}  // namespace instructblip::nn
