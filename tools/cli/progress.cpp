#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "cli/output.h"
#include "cli/table.h"

namespace instructblip::cli {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);  // what is faster needs no line
constexpr auto kFrame = std::chrono::milliseconds(100);
constexpr std::string_view kErase = "\r\x1b[K";
constexpr int kBarCells = 24;

// A terminal that can erase a line. Nothing is ever coloured, with NO_COLOR or without.
bool can_draw() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
}

std::string bar(double share) {
  const int full = static_cast<int>(share * kBarCells);
  return "[" + std::string(full, '#') + std::string(kBarCells - full, '.') + "]";
}

std::string megabytes(std::int64_t bytes) { return std::to_string(bytes / 1'000'000); }

}  // namespace

Progress::Progress(bool wanted) : enabled_(wanted && can_draw()) {
  if (enabled_) thread_ = std::thread([this] { draw_until_closed(); });
}

Progress::~Progress() {
  if (!enabled_) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    erase();
  }
  wake_.notify_all();
  thread_.join();
}

void Progress::begin(std::string label, Unit unit) {
  const std::lock_guard lock(mutex_);
  erase();
  label_ = std::move(label);
  place_.clear();
  unit_ = unit;
  done_ = total_ = 0;
  since_ = std::chrono::steady_clock::now();
  active_ = true;
}

void Progress::next(std::int64_t number, std::int64_t count) {
  const std::lock_guard lock(mutex_);
  done_ = total_ = 0;
  active_ = true;
  if (count > 1) place_ = " " + std::to_string(number) + " of " + std::to_string(count);
}

void Progress::update(std::int64_t done, std::int64_t total) {
  const std::lock_guard lock(mutex_);
  done_ = done;
  total_ = total;
}

void Progress::end() {
  const std::lock_guard lock(mutex_);
  erase();
  active_ = false;
}

void Progress::print(std::string_view text) {
  const std::lock_guard lock(mutex_);
  erase();
  write_error(text);
}

void Progress::draw_until_closed() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kFrame, [this] { return closing_; })) {
    if (!active_ || std::chrono::steady_clock::now() - since_ < kPatience) continue;
    write_error(std::string(kErase) + line());
    drawn_ = true;
  }
}

std::string Progress::line() const {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - since_);
  const std::string elapsed = "  " + std::to_string(seconds.count()) + " s";
  if (total_ <= 0) {
    std::string text = label_ + place_;
    if (unit_ == Unit::tokens) {
      text += (place_.empty() ? " " : ", ") + std::to_string(done_) + " tokens";
    }
    return text + elapsed;
  }
  const double share = std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0., 1.);
  std::string amount = std::to_string(done_) + " of " + std::to_string(total_) + " pictures";
  if (unit_ == Unit::bytes) amount = megabytes(done_) + " of " + megabytes(total_) + " MB";
  if (unit_ == Unit::tokens) {
    amount = std::to_string(done_) + " of at most " + std::to_string(total_) + " tokens";
  }
  if (unit_ == Unit::pictures && done_ > 0) amount += rate();
  return label_ + place_ + " " + bar(share) + " " + amount + elapsed;
}

std::string Progress::rate() const {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - since_;
  const double each = took.count() / static_cast<double>(done_);
  const auto left = static_cast<std::int64_t>(each * static_cast<double>(total_ - done_) + 0.5);
  return ", " + fixed(1 / each, 1) + " a second, " + std::to_string(left) + " s left,";
}

void Progress::erase() {
  if (drawn_) write_error(kErase);
  drawn_ = false;
}

}  // namespace instructblip::cli
