#include "nn/upload.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>

namespace instructblip::nn {
namespace {

// Bytes that a thread copies at a time: a few pages of a file.
constexpr std::int64_t kShare = 256 << 10;

void copy(const Runtime& runtime, const std::byte* from, std::byte* to, std::int64_t bytes) {
  runtime.queue().run((bytes + kShare - 1) / kShare, 1, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t begin = first * kShare, end = std::min(bytes, last * kShare);
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
  });
}

// Memory of the host for a piece, and when the device has copied it.
struct Piece {
  at::Tensor memory = {};
  std::unique_ptr<DeviceMark> copied = {};
};

}  // namespace

at::Tensor uploaded_in_pieces(const Runtime& runtime, const at::Tensor& tensor,
                              std::int64_t piece_bytes) {
  const at::Tensor here = tensor.contiguous();
  at::Tensor there = runtime.empty(here.sizes().vec(), here.scalar_type());
  const auto bytes = static_cast<std::int64_t>(here.nbytes());
  const auto* const from = static_cast<const std::byte*>(here.const_data_ptr());
  const at::Tensor bytes_there = there.view({-1}).view(at::kByte);
  std::array<Piece, 2> pieces;  // by turns
  std::size_t turn = 0;
  for (std::int64_t first = 0; first < bytes; first += piece_bytes, turn = 1 - turn) {
    Piece& piece = pieces[turn];
    const std::int64_t count = std::min(piece_bytes, bytes - first);
    if (piece.copied) piece.copied->wait();
    if (!piece.memory.defined()) piece.memory = runtime.host_memory({count}, at::kByte);
    const at::Tensor part = piece.memory.narrow(0, 0, count);
    copy(runtime, from + first, static_cast<std::byte*>(part.mutable_data_ptr()), count);
    bytes_there.narrow(0, first, count).copy_(part, /*non_blocking=*/true);
    piece.copied = runtime.mark();
  }
  return there;
}

}  // namespace instructblip::nn
