#include "emulator/running.h"

namespace instructblip::emulator {

std::vector<Schedule> schedules() {
  using Order = Schedule::Order;
  return {{Order::forward, 1}, {Order::backward, 1}, {Order::random, 7}};
}

std::vector<bool> with_and_without_bulk_copies() { return {false, true}; }

}  // namespace instructblip::emulator
