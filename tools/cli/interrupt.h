// Ctrl-C.
#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace instructblip::cli {

// From its construction on, the first Ctrl-C requests a stop of what is being generated and ends
// the command with exit code 130 at once where nothing is; the second kills the process. To be made
// before any other thread: they inherit that the signal is not theirs.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }

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
  std::atomic<bool> graceful_ = false;
  std::atomic<bool> closing_ = false;
  std::thread thread_;
};

}  // namespace instructblip::cli
