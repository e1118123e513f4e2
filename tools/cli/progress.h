// One line on the terminal about what takes longer than a second.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace instructblip::cli {

// Draws on standard error where that is a terminal, else does nothing. Threads: any.
class Progress {
 public:
  enum class Unit { none, bytes, tokens, pictures };

  explicit Progress(bool wanted);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Starts a new line, "loading" say; nothing is drawn during its first second.
  void begin(std::string label, Unit unit);
  // Starts the next of several things that one line is about, as "answering 3 of 40".
  void next(std::int64_t number, std::int64_t count);
  void update(std::int64_t done, std::int64_t total);
  // Takes the line away until next().
  void end();
  // Prints `text` on standard error, above the line.
  void print(std::string_view text);

 private:
  void draw_until_closed();
  std::string line() const;
  std::string rate() const;  // pictures a second, and the time that is left
  void erase();

  const bool enabled_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::string label_, place_;
  Unit unit_ = Unit::bytes;
  std::int64_t done_ = 0, total_ = 0;
  std::chrono::steady_clock::time_point since_;
  bool active_ = false, drawn_ = false, closing_ = false;
  std::thread thread_;
};

}  // namespace instructblip::cli
