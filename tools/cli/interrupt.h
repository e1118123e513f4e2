// Ctrl-C, and being asked to end by others.
#pragma once

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace instructblip::cli {

// From its construction on, the first Ctrl-C requests a stop of what is being generated and ends
// the command with exit code 130 at once where nothing is; the second kills the process. SIGTERM
// and SIGHUP, by which `kill`, containers, batch systems and closed terminals end a process, do the
// same with 143 and 129; SIGHUP not where it is ignored, as under nohup. To be made before any
// other thread: they inherit that the signals are not theirs.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }
  // 128 and the number of the signal that came first; that of Ctrl-C where none has.
  int exit_code() const { return 128 + first_; }

  // While it lives, a generation looks at token() and its partial text gets printed.
  class Graceful {
   public:
    explicit Graceful(Interrupt& interrupt) : interrupt_(interrupt) { interrupt_.graceful_ = true; }
    ~Graceful() { interrupt_.graceful_ = false; }
    Graceful(const Graceful&) = delete;
    Graceful& operator=(const Graceful&) = delete;

   private:
    Interrupt& interrupt_;
  };

 private:
  void wait();

  std::stop_source source_;
  sigset_t signals_;
  std::atomic<int> first_;
  std::atomic<bool> graceful_ = false;
  std::atomic<bool> closing_ = false;
  std::thread thread_;
};

}  // namespace instructblip::cli
