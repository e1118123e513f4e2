// Which device a model is given, and what is said where it cannot have one.
#include <gtest/gtest.h>

#include <string>

#include "instructblip/error.h"
#include "loading/devices.h"
#include "loading/loading.h"
#include "unit/nn/stand_in_device.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

const std::string kPlugin = INSTRUCTBLIP_SOURCE_DIR "/CMakeLists.txt";  // any file that is there

CudaDriver two_devices() {
  return {.problem = "", .version = 13000, .devices = {{"A", 90, 80}, {"B", 80, 40}}};
}

LoadOptions asking(DeviceType type, int index = 0, bool deterministic = false) {
  LoadOptions options;
  options.device = {type, index};
  options.deterministic = deterministic;
  return options;
}

template <typename Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(DeviceChoice, TakesWhatIsAskedForAndThere) {
  EXPECT_EQ(name_of(choose_device(asking(DeviceType::cuda, 1), two_devices(), kPlugin)), "cuda:1");
  EXPECT_EQ(name_of(choose_device(asking(DeviceType::automatic), two_devices(), kPlugin)),
            "cuda:0");
  EXPECT_EQ(name_of(choose_device(asking(DeviceType::cpu), two_devices(), kPlugin)), "cpu");
}

TEST(DeviceChoice, RefusesWhatIsNotThere) {
  const auto refused = [](const LoadOptions& options, const CudaDriver& driver,
                          const std::string& plugin) {
    return message_of([&] { choose_device(options, driver, plugin); });
  };
  const LoadOptions cuda = asking(DeviceType::cuda);
  EXPECT_NE(refused(asking(DeviceType::cuda, 2), two_devices(), kPlugin).find("no cuda:2"),
            std::string::npos);
  EXPECT_NE(refused(cuda, {.problem = "no NVIDIA driver: x"}, kPlugin).find("no NVIDIA driver: x"),
            std::string::npos);
  EXPECT_NE(refused(cuda, two_devices(), "/no/plugin.so").find("/no/plugin.so: no such file"),
            std::string::npos);
  EXPECT_NE(
      refused(asking(DeviceType::cuda, 0, true), two_devices(), kPlugin).find("deterministic"),
      std::string::npos);
}

TEST(DeviceChoice, AutomaticTakesTheProcessorAndSaysWhy) {
  const LoadOptions automatic = asking(DeviceType::automatic);
  const DeviceChoice none = choose_device(automatic, {.problem = "no driver"}, kPlugin);
  EXPECT_EQ(name_of(none), "cpu");
  EXPECT_EQ(none.why_not, "no driver");
  const DeviceChoice exact =
      choose_device(asking(DeviceType::automatic, 0, true), two_devices(), kPlugin);
  EXPECT_EQ(name_of(exact), "cpu");
  EXPECT_NE(exact.why_not.find("deterministic"), std::string::npos);
}

// The device of this machine, or what is missing.
TEST(DeviceChoice, ALoadedModelSaysWhereItRuns) {
  const ModelInfo& info = test::without_cache("t5_2024").info();
  EXPECT_EQ(info.device == "cpu", !info.device_reason.empty()) << info.device_reason;
}

TEST(DeviceMemoryCheck, RefusesWeightsThatDoNotFit) {
  constexpr std::int64_t elements = 100'000;
  const StandInRuntime enough({.free = 4 * elements, .total = 4 * elements});
  const StandInRuntime half({.free = 2 * elements, .total = std::int64_t{8'000'000'000}});
  const nn::ReadAs read, left{.values = nn::Values::leave};
  EXPECT_NO_THROW(check_memory(enough, 4 * elements, read));
  EXPECT_NO_THROW(check_memory(half, 2 * elements, read));
  EXPECT_NO_THROW(check_memory(half, 4 * elements, left));
  EXPECT_NO_THROW(check_memory(nn::Runtime(), 4 * elements, read));  // the host swaps
  const std::string message = message_of([&] { check_memory(half, 4 * elements, read); });
  EXPECT_NE(message.find("of the device's 8.0 GB only 0.0 GB are free"), std::string::npos)
      << message;
}

}  // namespace
}  // namespace instructblip
