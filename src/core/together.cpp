#include "core/together.h"

#include <atomic>
#include <latch>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/errors.h"

namespace instructblip {

void run_together(int threads, const std::function<void(int)>& work) {
  std::latch ready(threads);
  std::atomic<bool> called_off = false;
  std::vector<std::jthread> workers;
  workers.reserve(static_cast<std::size_t>(threads));
  // Those that are there would wait for the others for ever.
  const auto call_off = [&] {
    called_off = true;
    ready.count_down(threads - std::ssize(workers));
  };
  try {
    for (int i = 0; i < threads; ++i) {
      workers.emplace_back([&, i] {
        ready.arrive_and_wait();
        if (!called_off) work(i);
      });
    }
  } catch (const std::system_error& error) {
    call_off();
    throw Error(ErrorCode::invalid_argument,
                "threads: expected at most " + std::to_string(workers.size()) +
                    ", which the system starts now, got " + std::to_string(threads) + ": " +
                    error.code().message(),
                "take fewer, or raise what limits them (ulimit -u, ulimit -v, a container's pids)");
  } catch (...) {
    call_off();
    throw;
  }
}

bool can_start(int threads) {
  try {
    run_together(threads, [](int) {});
  } catch (const Error&) {
    return false;
  }
  return true;
}

}  // namespace instructblip
