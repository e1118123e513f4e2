// Large tensors on their way to a device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/runtime.h"

namespace instructblip::nn {

// Bytes of a piece: so many that the time to begin a copy is a small share of it.
inline constexpr std::int64_t kUploadPiece = 16 << 20;

// The values of a tensor of the host's, which may lie in a file that is mapped, on the device. They
// go in pieces, by way of memory that the device copies from by itself: while one is on its way,
// the team reads the next. What copies by itself from anywhere, as LibTorch's copy does, has one
// thread that does both. On the runtime's thread; the tensor may be given up at once.
at::Tensor uploaded_in_pieces(const Runtime& runtime, const at::Tensor& tensor,
                              std::int64_t piece_bytes = kUploadPiece);

}  // namespace instructblip::nn
