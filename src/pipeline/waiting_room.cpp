#include "pipeline/waiting_room.h"

#include <string>

#include "instructblip/error.h"

namespace instructblip {

WaitingRoom::Place WaitingRoom::take(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto refuse = [&](const std::string& what) {
    ++refused_;
    throw Error(ErrorCode::busy, "the engine's queue is full: " + what);
  };
  if (taken_.places >= most_.places) {
    refuse(std::to_string(most_.places) + " requests are waiting");
  }
  if (bytes > 0 && taken_.bytes > 0 && bytes > most_.bytes - taken_.bytes) {
    refuse("pictures of " + std::to_string(taken_.bytes) + " bytes are waiting, and " +
           std::to_string(bytes) + " more were to come, expected at most " +
           std::to_string(most_.bytes) + " in all");
  }
  ++taken_.places;
  taken_.bytes += bytes;
  return {this, bytes};
}

void WaitingRoom::Place::give_back() noexcept {
  if (room_ == nullptr) return;
  const std::lock_guard lock(room_->mutex_);
  --room_->taken_.places;
  room_->taken_.bytes -= bytes_;
  room_ = nullptr;
}

std::int64_t WaitingRoom::bytes() const {
  const std::lock_guard lock(mutex_);
  return taken_.bytes;
}

std::uint64_t WaitingRoom::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

}  // namespace instructblip
