// Large tensors on their way to a device.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "nn/runtime.h"

namespace instructblip::nn {

// Copies tensors of the host's, which may lie in a file that is mapped, to the device. They go in
// pieces, by way of memory that the device copies from by itself: while one is on its way, the team
// reads the next. LibTorch's copy from other memory has one thread that does both. Used and ended
// on the runtime's thread, before the runtime.
class Uploader {
 public:
  // Bytes of a piece: so many that the time to begin a copy is a small share of it.
  static constexpr std::int64_t kPiece = 16 << 20;

  explicit Uploader(const Runtime& runtime, std::int64_t piece_bytes = kPiece);
  // The values of a tensor on the device. The tensor may be given up at once.
  at::Tensor upload(const at::Tensor& tensor);

 private:
  // Memory of the host for a piece, and when the device has copied what is in it: when it reaches
  // the mark or, where none could be made, when it has done all that was handed over.
  struct Piece {
    at::Tensor memory = {};
    bool handed_over = false;
    std::unique_ptr<DeviceMark> copied = {};
  };
  void wait_for(const Piece& piece) const;

  const Runtime* runtime_;
  std::int64_t piece_bytes_;
  std::array<Piece, 2> pieces_;  // by turns
  std::size_t turn_ = 0;
};

}  // namespace instructblip::nn
