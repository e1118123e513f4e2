#include "core/cuda_driver.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

namespace instructblip {
namespace {

// What the fake driver of tests/support says with these answers.
CudaDriver driver_saying(const char* answers) {
  ::setenv("FAKE_CUDA", answers, 1);
  return examine_cuda_driver(INSTRUCTBLIP_FAKE_CUDA_DRIVER);
}

const std::string kPlugin = INSTRUCTBLIP_FAKE_CUDA_DRIVER;  // any file that is there

std::string reason(int index, const CudaDriver& driver, const std::string& plugin = kPlugin) {
  return cuda_obstacle(index, driver, plugin).reason;
}

void expect_says(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(CudaDriver, NamesItsDevices) {
  const CudaDriver driver = driver_saying("0 13000 2 90");
  EXPECT_EQ(driver.problem, "");
  EXPECT_EQ(driver.version, 13000);
  ASSERT_EQ(driver.devices.size(), 2U);
  EXPECT_EQ(driver.devices[1].name, "Fake 1");
  EXPECT_EQ(driver.devices[1].capability, 90);
  EXPECT_EQ(driver.devices[1].memory, std::int64_t{11} << 30);
  EXPECT_EQ(reason(0, driver), "");
  EXPECT_EQ(reason(1, driver), "");
}

TEST(CudaDriver, SaysWhyThereIsNoDevice) {
  const CudaDriver missing = examine_cuda_driver("libno_such_driver.so.1");
  expect_says(missing.problem, "no NVIDIA driver: libno_such_driver.so.1");
  expect_says(reason(0, missing), "no NVIDIA driver");
  expect_says(driver_saying("100 13000 0 0").problem, "finds no device");
  expect_says(driver_saying("0 13000 0 0").problem, "finds no device");
  expect_says(driver_saying("999 13000 1 90").problem, "does not start: error 999");
  expect_says(driver_saying("0 12040 1 90").problem, "supports CUDA 12.4, expected 13.0");
  expect_says(examine_cuda_driver("libm.so.6").problem, "lacks functions");
}

TEST(CudaDriver, RefusesWhatCannotBeUsed) {
  expect_says(reason(1, driver_saying("0 13000 1 90")), "there is no cuda:1, expected cuda:0");
  expect_says(reason(7, driver_saying("0 13000 3 90")), "expected cuda:0 to cuda:2");
  expect_says(reason(0, driver_saying("0 13000 1 75")), "Fake 0, has compute capability 7.5");
  const std::string without = reason(0, driver_saying("0 13000 1 90"), "/no/such/plugin.so");
  expect_says(without, "built without its part for CUDA: /no/such/plugin.so");
}

}  // namespace
}  // namespace instructblip
