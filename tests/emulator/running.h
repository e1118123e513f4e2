// Runs what has been launched in several orders.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/device.h"

namespace instructblip::emulator {

// The orders that tests run a kernel in. Defined in schedules.cpp; in tests/cuda/device_runs.cpp
// for a device, which has its own order each time.
std::vector<Schedule> schedules();

// Ways to multiply tiles: with bulk copies, too, where there are any.
std::vector<bool> with_and_without_bulk_copies();

// The message of the fault, or nothing.
inline std::string fault_of(const Schedule& schedule) {
  try {
    run_queue(schedule);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return {};
}

// `launch` puts launches in the queue. Every order must find the fault, and say this of it.
template <class Function>
void expect_fault(Function launch, const std::string& says) {
  for (const Schedule& schedule : schedules()) {
    launch();
    const std::string fault = fault_of(schedule);
    EXPECT_NE(fault.find(says), std::string::npos)
        << "order " << static_cast<int>(schedule.order) << ": \"" << fault << "\"";
  }
}

template <class Function>
void expect_no_fault(Function launch) {
  for (const Schedule& schedule : schedules()) {
    launch();
    EXPECT_EQ(fault_of(schedule), "");
  }
}

// The output of each order, which must have the same bits.
template <class T, class Function>
void run_in_every_order(std::vector<T>& out, Function launch) {
  std::vector<T> first;
  const std::vector<T> blank = out;
  for (const Schedule& schedule : schedules()) {
    out = blank;
    launch();
    ASSERT_EQ(fault_of(schedule), "");
    if (first.empty()) first = out;
    ASSERT_EQ(std::memcmp(first.data(), out.data(), out.size() * sizeof(T)), 0)
        << "another order, other bits";
  }
}

}  // namespace instructblip::emulator
