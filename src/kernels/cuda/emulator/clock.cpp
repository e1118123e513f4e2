#include "kernels/cuda/emulator/clock.h"

#include <algorithm>

namespace instructblip::emulator {
namespace {

void raise(Epochs& epochs, const Epochs& to) {
  for (std::size_t i = 0; i < epochs.size(); ++i) epochs[i] = std::max(epochs[i], to[i]);
}

}  // namespace

void Clock::add_to(std::shared_ptr<const Epochs>& to) const {
  Epochs sum = to == nullptr ? *known_ : *to;
  if (to != nullptr && to != known_) raise(sum, *known_);
  sum[thread_] = std::max(sum[thread_], epoch_);
  to = std::make_shared<const Epochs>(std::move(sum));
}

void Clock::release_to(std::shared_ptr<const Epochs>& to) {
  add_to(to);
  ++epoch_;
}

void Clock::acquire(const std::shared_ptr<const Epochs>& from) {
  if (from == nullptr || from == known_) return;
  const bool newer = std::equal(from->begin(), from->end(), known_->begin(),
                                [](std::uint32_t a, std::uint32_t b) { return a >= b; });
  if (newer) {  // the usual case, and it shares the vector
    known_ = from;
    return;
  }
  Epochs sum = *known_;
  raise(sum, *from);
  known_ = std::make_shared<const Epochs>(std::move(sum));
}

void Clock::join(std::span<Clock*> clocks) {
  Epochs sum = *clocks.front()->known_;
  const Epochs* last = clocks.front()->known_.get();
  for (const Clock* clock : clocks) {
    if (clock->known_.get() != last) {
      last = clock->known_.get();
      raise(sum, *last);
    }
  }
  for (const Clock* clock : clocks) {
    sum[clock->thread_] = std::max(sum[clock->thread_], clock->epoch_);
  }
  const auto shared = std::make_shared<const Epochs>(std::move(sum));
  for (Clock* clock : clocks) {
    clock->known_ = shared;
    ++clock->epoch_;
  }
}

}  // namespace instructblip::emulator
