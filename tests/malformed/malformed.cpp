#include "malformed/malformed.h"

#include <sys/resource.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <ostream>

#include "support/cpu_time.h"

namespace instructblip::test {
namespace {

constexpr double kSeconds = 5.0;
constexpr long kKilobytes = 64 * 1024;

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator begin("/proc/self/fd");
  return std::distance(begin, {});
}

// Maps of files below `directory` that are still in place.
std::ptrdiff_t maps_of(const std::filesystem::path& directory) {
  std::ifstream maps("/proc/self/maps");
  std::ptrdiff_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(directory.string()) != std::string::npos) ++count;
  }
  return count;
}

long peak_kilobytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

bool is_fit_for_a_terminal(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == '\x7f';
  });
}

void expect_error_of(const MalformedRow& row, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "accepted, expected: " << row.message;
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(to_string(error.code()), to_string(row.code)) << message;
    EXPECT_NE(message.find(row.message), std::string::npos)
        << "expected '" << row.message << "' in: " << message;
    EXPECT_TRUE(is_fit_for_a_terminal(message)) << message;
    EXPECT_LE(std::count(message.begin(), message.end(), '\n'), 10) << message;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception type: " << error.what();
  }
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const MalformedRow& row) { return out << row.name; }

std::string name_of_row(const testing::TestParamInfo<MalformedRow>& info) {
  return info.param.name;
}

void expect_malformed(const MalformedRow& row,
                      const std::function<void(const std::filesystem::path&)>& read) {
  const TempDirectory directory;
  row.make(directory);
  const std::ptrdiff_t descriptors = open_descriptors();
  const long kilobytes = peak_kilobytes();
  const double start = cpu_seconds();
  expect_error_of(row, [&] { read(directory.path()); });
  const double seconds = cpu_seconds() - start;
  EXPECT_LT(seconds, kSeconds);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(maps_of(directory.path()), 0);
  EXPECT_LE(peak_kilobytes() - kilobytes, kKilobytes);
}

}  // namespace instructblip::test
