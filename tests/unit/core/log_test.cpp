#include "core/log.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace instructblip {
namespace {

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { set_log_sink({}); }
};

TEST_F(LogTest, SpeaksToTheSinkAndNowhereElse) {
  std::vector<std::string> heard;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  log_warning("nobody listens");
  set_log_sink([&](LogLevel level, std::string_view message) {
    heard.push_back((level == LogLevel::warning ? "w:" : "i:") + std::string(message));
  });
  log_warning("one");
  log_info("two");
  set_log_sink({});
  log_warning("gone");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(heard, (std::vector<std::string>{"w:one", "i:two"}));
}

TEST_F(LogTest, SurvivesASinkThatThrows) {
  set_log_sink([](LogLevel, std::string_view) { throw std::runtime_error("sink"); });
  EXPECT_NO_THROW(log_warning("x"));
}

}  // namespace
}  // namespace instructblip
