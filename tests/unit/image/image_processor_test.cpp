#include "image/image_processor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "golden_image.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

ImageConfig config_of(int width, int height) {
  ImageConfig config;
  config.width = width;
  config.height = height;
  return config;
}

template <class Function>
ErrorCode code_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::internal;
}

Image picture(const std::string& name) {
  if (name.rfind("noise:", 0) != 0) return Image::open(golden::photographs() / name);
  int width = 0, height = 0, seed = 0;
  EXPECT_EQ(std::sscanf(name.c_str(), "noise:%d:%d:%d", &width, &height, &seed), 3);
  return golden::noise(width, height, static_cast<std::uint32_t>(seed));
}

TEST(ImageProcessor, EqualsTheReferences) {
  const auto rows = golden::read_table("pixel_values.txt");
  ASSERT_EQ(rows.size(), 17U);
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 6U);
#ifndef INSTRUCTBLIP_WITH_OPENCV
    if (row[0].rfind("noise", 0) != 0) continue;
#endif
    ImageConfig config = config_of(std::stoi(row[1]), std::stoi(row[2]));
    config.rescale = row[3].find("rescale") != std::string::npos;
    config.normalize = row[3].find("normalize") != std::string::npos;
    const Image image = picture(row[0]);
    EXPECT_EQ(golden::crc(ImageProcessor(config, ResizeMode::pillow13).run(image)), row[4])
        << row[0] << ' ' << row[3];
    EXPECT_EQ(golden::crc(ImageProcessor(config, ResizeMode::torchvision).run(image)), row[5])
        << row[0] << ' ' << row[3] << ", torchvision";
  }
}

TEST(ImageProcessor, BlackAndWhiteBecomeTheKnownValues) {
  const std::vector<std::uint8_t> bytes = {0, 0, 0, 255, 255, 255};
  const Image image = Image::view(bytes.data(), 2, 1);
  const float expected[3][2] = {{-1.7923F, 1.9303F}, {-1.7521F, 2.0749F}, {-1.4802F, 2.1459F}};
  for (const ResizeMode mode : {ResizeMode::pillow13, ResizeMode::torchvision}) {
    const auto values = ImageProcessor(config_of(2, 1), mode).run(image);
    ASSERT_EQ(values.size(), 6U);
    for (std::size_t channel = 0; channel < 3; ++channel) {
      EXPECT_NEAR(values[2 * channel], expected[channel][0], 1e-4);
      EXPECT_NEAR(values[2 * channel + 1], expected[channel][1], 1e-4);
    }
  }
}

// One colour a channel: red comes first, and each channel is a plane of its own.
TEST(ImageProcessor, PlanesAreRedGreenBlue) {
  const std::vector<std::uint8_t> bytes = {10, 20, 30, 40, 50, 60};
  ImageConfig config = config_of(2, 1);
  config.rescale = config.normalize = false;
  EXPECT_EQ(ImageProcessor(config, ResizeMode::pillow13).run(Image::view(bytes.data(), 2, 1)),
            (std::vector<float>{10, 40, 20, 50, 30, 60}));
}

TEST(ImageProcessor, WithoutResizingTheSizeMustFit) {
  ImageConfig config = config_of(30, 20);
  config.resize = false;
  config.resample = 2;  // does not matter here
  const ImageProcessor processor(config, ResizeMode::pillow13);
  EXPECT_EQ(processor.run(golden::noise(30, 20, 1)).size(), 3U * 30 * 20);
  EXPECT_EQ(code_of([&] { processor.run(golden::noise(20, 30, 1)); }), ErrorCode::bad_image);
}

TEST(ImageProcessor, RefusesAnEmptyImage) {
  const ImageProcessor processor(config_of(30, 20), ResizeMode::pillow13);
  EXPECT_EQ(code_of([&] { processor.run(Image()); }), ErrorCode::invalid_argument);
}

TEST(ImageProcessor, RefusesSettingsThatCannotBeRun) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<void (*)(ImageConfig&)> faults = {
      [](ImageConfig& c) { c.height = 0; },
      [](ImageConfig& c) { c.width = 1 << 20; },
      [](ImageConfig& c) { c.width = -5; },
      [](ImageConfig& c) { c.resample = 2; },
      [](ImageConfig& c) { c.std[1] = 0; },
      [](ImageConfig& c) { c.std[1] = 1e-60; },  // zero as a float
      [](ImageConfig& c) { c.rescale_factor = 0; },
  };
  for (std::size_t i = 0; i < faults.size(); ++i) {
    ImageConfig config;
    faults[i](config);
    EXPECT_EQ(code_of([&] { ImageProcessor(config, ResizeMode::pillow13); }), ErrorCode::bad_model)
        << i;
  }
  ImageConfig config;
  config.mean[2] = nan;
  EXPECT_EQ(code_of([&] { ImageProcessor(config, ResizeMode::pillow13); }), ErrorCode::bad_model);
}

TEST(ImageProcessor, ValuesAreFiniteForAnyPicture) {
  const ImageProcessor processor(config_of(33, 44), ResizeMode::pillow13);
  for (const auto& [width, height] :
       {std::pair(1, 1), std::pair(1, 20000), std::pair(20000, 1), std::pair(3, 3)}) {
    for (const float value : processor.run(golden::noise(width, height, 9))) {
      ASSERT_TRUE(std::isfinite(value)) << width << " x " << height;
    }
  }
}

}  // namespace
}  // namespace instructblip
