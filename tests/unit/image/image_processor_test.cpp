#include "image/image_processor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "golden_image.h"
#include "instructblip/error.h"
#include "support/many_threads.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

constexpr ResizeMode kModes[] = {ResizeMode::pillow13, ResizeMode::pillow12,
                                 ResizeMode::torchvision};

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

ImageConfig config_of_row(const std::vector<std::string>& row) {
  ImageConfig config;
  config.center_crop = true;
  int height = 0, width = 0;
  if (std::sscanf(row[1].c_str(), "%dx%d", &height, &width) == 1) {
    config.shortest_edge = height;
  } else {
    config.resized_height = height;
    config.resized_width = width;
  }
  EXPECT_EQ(std::sscanf(row[2].c_str(), "%dx%d", &height, &width), 2);
  config.height = height;
  config.width = width;
  config.pad_to_square = row[3] == "1";
  config.resize = row[4].find("resize") != std::string::npos;
  config.rescale = row[4].find("rescale") != std::string::npos;
  config.normalize = row[4].find("normalize") != std::string::npos;
  return config;
}

TEST(ImageProcessor, CropsAndPadsAsTheReferences) {
  const auto rows = golden::read_table("cropped.txt");
  ASSERT_GE(rows.size(), 60U);
  int compared = 0;
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 11U);
    const Image image = golden::noise(std::stoi(row[5]), std::stoi(row[6]),
                                      static_cast<std::uint32_t>(std::stoul(row[7])));
    const ImageConfig config = config_of_row(row);
    for (std::size_t mode = 0; mode < 3; ++mode) {
      if (row[8 + mode] == "-") continue;  // the reference fails
      ++compared;
      EXPECT_EQ(golden::crc(ImageProcessor(config, kModes[mode]).run(image)), row[8 + mode])
          << row[7] << ", mode " << mode;
    }
  }
  EXPECT_GT(compared, 150);
}

// "51" is a shortest edge, "28x31" both sides.
ImageConfig config_of_tiles(const std::vector<std::string>& row) {
  ImageConfig config;
  int height = 0, width = 0;
  config.tile_side = config.height = config.width = std::stoi(row[1]);
  config.center_crop = true;
  if (std::sscanf(row[0].c_str(), "%dx%d", &height, &width) == 1) {
    config.shortest_edge = height;
    config.whole = {height, height};
  } else {
    config.resized_height = height;
    config.resized_width = width;
    config.whole = {height, width};
  }
  std::istringstream grid(row[2]);
  for (std::string pair; std::getline(grid, pair, ',');) {
    EXPECT_EQ(std::sscanf(pair.c_str(), "%dx%d", &height, &width), 2);
    config.grid.push_back({height, width});
  }
  config.resize = row[3].find("resize") != std::string::npos;
  config.rescale = row[3].find("rescale") != std::string::npos;
  config.normalize = row[3].find("normalize") != std::string::npos;
  return config;
}

TEST(ImageProcessor, CutsTilesAsTheReferences) {
  const auto rows = golden::read_table("tiles.txt");
  ASSERT_GE(rows.size(), 90U);
  int compared = 0;
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 13U);
    SCOPED_TRACE("seed " + row[7]);
    const Image image = golden::noise(std::stoi(row[5]), std::stoi(row[6]),
                                      static_cast<std::uint32_t>(std::stoul(row[7])));
    const ImageConfig config = config_of_tiles(row);
    const std::int64_t side = config.tile_side, patches = side / std::stoi(row[4]);
    const ImageProcessor pillow(config, ResizeMode::pillow13);
    const TileLayout layout = layout_of({config.grid, side, patches}, pillow.size_of(image));
    EXPECT_EQ(patches * patches + layout.positions(), std::stoll(row[9]));
    for (std::size_t mode = 0; mode < 3; ++mode) {
      if (row[10 + mode] == "-") continue;  // the reference fails
      ++compared;
      const std::vector<float> values = ImageProcessor(config, kModes[mode]).run(image);
      EXPECT_EQ(static_cast<std::int64_t>(values.size()), std::stoll(row[8]) * 3 * side * side);
      EXPECT_EQ(golden::crc(values), row[10 + mode]) << "mode " << mode;
    }
  }
  EXPECT_GT(compared, 240);
}

// The longest sides that there may be: only what the crop keeps is worked out.
TEST(ImageProcessor, CropsFromAStripWithoutMakingAllOfIt) {
  ImageConfig config = config_of(336, 336);
  config.center_crop = true;
  config.shortest_edge = 336;
  std::vector<std::uint8_t> rgb(std::size_t{3} * 32768);
  // A ramp so slow that what is between two pixels can be told: 8 pixels a level.
  for (std::size_t i = 0; i < rgb.size(); ++i)
    rgb[i] = static_cast<std::uint8_t>((i + 12) / 24 % 256);
  for (const ResizeMode mode : kModes) {
    const ImageProcessor processor(config, mode);
    const auto wide = processor.run(Image::view(rgb.data(), 32768, 1));
    const auto tall = processor.run(Image::view(rgb.data(), 1, 32768));
    ASSERT_EQ(wide.size(), 3U * 336 * 336);
    // The middle 336 of 11 million columns are the middle pixel of the strip.
    ImageConfig raw = config_of(1, 1);
    const auto middle = ImageProcessor(raw, mode).run(Image::view(&rgb[3 * 16384], 1, 1));
    EXPECT_EQ(wide[336 * 168 + 168], middle[0]);
    EXPECT_EQ(tall[336 * 168 + 168], middle[0]);
  }
  config.shortest_edge = 513;
  EXPECT_EQ(code_of([&] {
              ImageProcessor(config, ResizeMode::pillow13).run(Image::view(rgb.data(), 32768, 1));
            }),
            ErrorCode::bad_image);
}

TEST(ImageProcessor, WithoutACropOnlySquaresFit) {
  ImageConfig config = config_of(20, 20);
  config.shortest_edge = 20;
  const ImageProcessor processor(config, ResizeMode::pillow13);
  EXPECT_EQ(processor.run(golden::noise(37, 37, 1)).size(), 3U * 20 * 20);
  EXPECT_EQ(processor.run(golden::noise(41, 40, 1)).size(), 3U * 20 * 20);  // 20.5, cut
  EXPECT_EQ(code_of([&] { processor.run(golden::noise(44, 40, 1)); }), ErrorCode::bad_image);
}

// What it makes of the square itself, which is not held where nearly all of it is margin.
TEST(ImageProcessor, PadsAsIfTheSquareWereThere) {
  ImageConfig config = config_of(20, 28);
  config.pad_to_square = true;
  ImageConfig whole = config;
  whole.pad_to_square = false;
  for (const auto& [width, height] : {std::pair(701, 2), std::pair(3, 500), std::pair(90, 89),
                                      std::pair(12, 13), std::pair(20, 9), std::pair(1, 28)}) {
    const Image image = golden::noise(width, height, 5);
    const int side = std::max(width, height);
    std::vector<std::uint8_t> square(3 * static_cast<std::size_t>(side * side));
    for (std::size_t i = 0; i < square.size(); ++i) {
      const auto at = static_cast<int>(i / 3);
      const int y = at / side - (side - height) / 2, x = at % side - (side - width) / 2;
      const bool inside = y >= 0 && y < height && x >= 0 && x < width;
      square[i] = inside ? image.row(y)[3 * x + static_cast<int>(i % 3)]
                         : static_cast<std::uint8_t>(config.mean[i % 3] * 255);
    }
    const Image padded = Image::adopt(std::move(square), side, side);
    for (const ResizeMode mode : kModes) {
      EXPECT_EQ(ImageProcessor(config, mode).run(image), ImageProcessor(whole, mode).run(padded))
          << width << " x " << height;
    }
  }
}

TEST(ImageProcessor, PadsALongStripInLittleMemoryAndRefusesTheLongest) {
  ImageConfig config = config_of(20, 20);
  config.pad_to_square = true;
  const ImageProcessor processor(config, ResizeMode::pillow13);
  EXPECT_EQ(processor.run(golden::noise(40'000, 2, 1)).size(), 3U * 20 * 20);  // 1.6 billion pixels
  EXPECT_EQ(code_of([&] { processor.run(golden::noise(9'000'000, 1, 1)); }), ErrorCode::bad_image);
}

TEST(ImageProcessor, AutomaticallyDoesAsTheReference) {
  ImageConfig config = config_of(20, 20);
  EXPECT_EQ(ImageProcessor(config, ResizeMode::automatic).mode(), ResizeMode::pillow13);
  config.by_torchvision = true;
  EXPECT_EQ(ImageProcessor(config, ResizeMode::automatic).mode(), ResizeMode::torchvision);
  EXPECT_EQ(ImageProcessor(config, ResizeMode::pillow12).mode(), ResizeMode::pillow12);
}

TEST(ImageProcessor, ReadsVideosAsTheReference) {
  const auto rows = golden::read_table("videos.txt");
  ASSERT_GE(rows.size(), 16U);
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 6U);
    SCOPED_TRACE(row[5]);
    const test::TempDirectory directory;
    directory.write("video_preprocessor_config.json", row[5]);
    const ImageProcessor processor(read_image_config(directory.path(), {.of_video = true}),
                                   ResizeMode::automatic);
    const auto frames = static_cast<std::size_t>(std::stoul(row[2]));
    std::vector<float> values;
    for (const std::size_t frame : processor.picked(frames)) {
      const auto seed = static_cast<std::uint32_t>(std::stoul(row[3]) + frame);
      const auto one = processor.run(golden::noise(std::stoi(row[0]), std::stoi(row[1]), seed));
      values.insert(values.end(), one.begin(), one.end());
    }
    EXPECT_EQ(golden::crc(values), row[4]);
  }
}

TEST(ImageProcessor, PicksFramesEvenly) {
  ImageConfig config = config_of(20, 20);
  const auto picked = [&](std::size_t frames) {
    return ImageProcessor(config, ResizeMode::torchvision).picked(frames);
  };
  EXPECT_EQ(picked(3), (std::vector<std::size_t>{0, 1, 2}));
  config.picked_frames = 4;
  EXPECT_EQ(picked(0), (std::vector<std::size_t>{}));
  EXPECT_EQ(picked(4), (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_EQ(picked(10), (std::vector<std::size_t>{0, 2, 5, 7}));
  EXPECT_EQ(code_of([&] { picked(3); }), ErrorCode::invalid_argument);
}

// Transformers 4 took three rows for three channels; its successor does not.
TEST(ImageProcessor, ReadsThreeRowsAsTheRelease) {
  const Image image = golden::noise(30, 3, 1);
  ImageConfig config = config_of(20, 20);
  const auto before = ImageProcessor(config, ResizeMode::pillow13).run(image);
  config.three_rows_are_channels = false;
  const auto now = ImageProcessor(config, ResizeMode::pillow13).run(image);
  EXPECT_NE(before, now);
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

TEST(ImageProcessor, SeveralThreadsGiveTheBytesOfOne) {
  test::ManyThreads threads;
  kernels::SerialQueue serial;
  ImageConfig padded = config_of(70, 70);
  padded.pad_to_square = true;
  for (const ImageConfig& config : {config_of(61, 93), padded}) {
    for (const ResizeMode mode : kModes) {
      const ImageProcessor processor(config, mode);
      for (const auto& [width, height] : {std::pair(640, 480), std::pair(33, 900)}) {
        const Image image = golden::noise(width, height, 7);
        EXPECT_EQ(processor.bytes(image, threads), processor.bytes(image, serial))
            << width << " " << height;
      }
    }
  }
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
      [](ImageConfig& c) { c.shortest_edge = -1; },
      [](ImageConfig& c) { c.center_crop = true; },  // without a size
      [](ImageConfig& c) {
        c.pad_to_square = true;
        c.mean[1] = 1.01;
      },
      [](ImageConfig& c) { c.std[1] = 0; },
      [](ImageConfig& c) { c.std[1] = 1e-60; },  // zero as a float
      [](ImageConfig& c) { c.rescale_factor = 0; },
      [](ImageConfig& c) { c.std[1] = 1e-40; },  // values beyond float32
      [](ImageConfig& c) { c.rescale_factor = 1e300; },
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

TEST(ShownPart, IsTheWholeWhereAPictureIsSquashed) {
  ImageConfig config;
  config.height = config.width = 10;
  const auto part =
      ImageProcessor(config, ResizeMode::pillow13)
          .shown_part(Image::adopt(std::vector<std::uint8_t>(std::size_t{3} * 40 * 20), 40, 20));
  EXPECT_EQ(part.left, 0);
  EXPECT_EQ(part.top, 0);
  EXPECT_EQ(part.width, 40);
  EXPECT_EQ(part.height, 20);
}

TEST(ShownPart, IsTheMiddleWhereItIsCropped) {
  ImageConfig config;
  config.shortest_edge = config.height = config.width = 10;
  config.center_crop = true;
  const auto part =
      ImageProcessor(config, ResizeMode::pillow13)
          .shown_part(Image::adopt(std::vector<std::uint8_t>(std::size_t{3} * 40 * 20), 40, 20));
  EXPECT_EQ(part.left, 10);
  EXPECT_EQ(part.top, 0);
  EXPECT_EQ(part.width, 20);
  EXPECT_EQ(part.height, 20);
}

}  // namespace
}  // namespace instructblip
