#include "cli/interrupt.h"

#include <pthread.h>
#include <unistd.h>

namespace instructblip::cli {
namespace {

bool is_ignored(int signal) {
  struct sigaction action;
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Interrupt::Interrupt() : first_(SIGINT) {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  if (!is_ignored(SIGHUP)) sigaddset(&signals_, SIGHUP);
  // Not a handler: what a stop token's callbacks may do is not allowed inside one.
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  std::signal(SIGINT, SIG_DFL);  // a shell ignores it for commands in the background
  thread_ = std::thread([this] { wait(); });
}

Interrupt::~Interrupt() {
  closing_ = true;
  pthread_kill(thread_.native_handle(), SIGINT);
  thread_.join();
}

void Interrupt::wait() {
  for (;;) {
    int signal = 0;
    sigwait(&signals_, &signal);
    if (closing_) return;
    if (!requested()) first_ = signal;
    if (!graceful_ || requested()) ::_exit(exit_code());
    source_.request_stop();
  }
}

}  // namespace instructblip::cli
