#include "cli/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

#include "cli/failure.h"

namespace instructblip::cli {
namespace {

sigset_t interrupt_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Interrupt::Interrupt() {
  // Not a handler: what a stop token's callbacks may do is not allowed inside one.
  const sigset_t set = interrupt_signal();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGINT, SIG_DFL);  // a shell ignores it for commands in the background
  thread_ = std::thread([this] { wait(); });
}

Interrupt::~Interrupt() {
  closing_ = true;
  pthread_kill(thread_.native_handle(), SIGINT);
  thread_.join();
}

void Interrupt::wait() {
  const sigset_t set = interrupt_signal();
  for (;;) {
    int signal = 0;
    sigwait(&set, &signal);
    if (closing_) return;
    if (!graceful_ || requested()) ::_exit(static_cast<int>(ExitCode::interrupted));
    source_.request_stop();
  }
}

}  // namespace instructblip::cli
