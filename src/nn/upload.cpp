#include "nn/upload.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

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

}  // namespace

Uploader::Uploader(const Runtime& runtime, std::int64_t piece_bytes)
    : runtime_(&runtime), piece_bytes_(piece_bytes) {
  for (Piece& piece : pieces_) piece.memory = runtime.host_memory({piece_bytes}, at::kByte);
}

void Uploader::wait_for(const Piece& piece) const {
  if (piece.copied) {
    piece.copied->wait();
  } else if (piece.handed_over) {
    runtime_->wait();
  }
}

at::Tensor Uploader::upload(const at::Tensor& tensor) {
  const at::Tensor here = tensor.contiguous();
  at::Tensor there = runtime_->empty(here.sizes().vec(), here.scalar_type());
  const auto bytes = static_cast<std::int64_t>(here.nbytes());
  const auto* const from = static_cast<const std::byte*>(here.const_data_ptr());
  const at::Tensor bytes_there = there.view({-1}).view(at::kByte);
  for (std::int64_t first = 0; first < bytes; first += piece_bytes_, turn_ = 1 - turn_) {
    Piece& piece = pieces_[turn_];
    wait_for(piece);
    const std::int64_t count = std::min(piece_bytes_, bytes - first);
    const at::Tensor part = piece.memory.narrow(0, 0, count);
    copy(*runtime_, from + first, static_cast<std::byte*>(part.mutable_data_ptr()), count);
    piece.copied = nullptr;
    piece.handed_over = true;
    bytes_there.narrow(0, first, count).copy_(part, /*non_blocking=*/true);
    piece.copied = runtime_->mark();
  }
  return there;
}

}  // namespace instructblip::nn
