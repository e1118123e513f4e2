// Warnings of the library, gathered while a test runs.
#pragma once

#include <string>
#include <string_view>

#include "core/log.h"
#include "instructblip/log.h"

namespace instructblip::test {

// What is logged as a warning while it lives.
class Warnings {
 public:
  Warnings() {
    set_log_sink([this](LogLevel level, std::string_view message) {
      if (level == LogLevel::warning) all_ += std::string(message) + "\n";
    });
  }
  ~Warnings() { set_log_sink({}); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;

  const std::string& all() const { return all_; }
  bool have(std::string_view part) const { return all_.find(part) != std::string::npos; }

 private:
  std::string all_;
};

}  // namespace instructblip::test
