// The table of bad input: each row makes one broken directory and names the error it must cost.
// Every reader has a file of rows; a rule of a reader without a row here is not a rule.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include "instructblip/error.h"
#include "support/temp_directory.h"

namespace instructblip::test {

struct MalformedRow {
  const char* name;  // letters and digits, unique within its file
  ErrorCode code;
  const char* message;  // a part of the message
  std::function<void(const TempDirectory&)> make;
};

inline std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::ostream& operator<<(std::ostream& out, const MalformedRow& row);
std::string name_of_row(const testing::TestParamInfo<MalformedRow>& info);

// Makes the row's directory, calls `read` with it, and expects the row's error: no other exception,
// within five seconds of processor time, without a descriptor or map left open, in at most ten
// lines free of control bytes, with at most 64 MB of memory taken on the way.
void expect_malformed(const MalformedRow& row,
                      const std::function<void(const std::filesystem::path&)>& read);

}  // namespace instructblip::test
