#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "golden_image.h"
#include "instructblip/error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(Decode, EqualsPillow) {
  const auto rows = golden::read_table("decoded.txt");
  ASSERT_EQ(rows.size(), 146U);
  ImageOptions stored, white;
  stored.exif = ExifOrientation::ignore;
  white.background = AlphaBackground::white;
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 6U);
    SCOPED_TRACE(row[0]);
    const auto file = golden::folder() / "files" / row[0];
    const Image image = Image::open(file);
    EXPECT_EQ(std::to_string(image.width()), row[1]);
    EXPECT_EQ(std::to_string(image.height()), row[2]);
    EXPECT_EQ(golden::crc(image), row[3]);
    if (row[4] != "-") {
      EXPECT_EQ(golden::crc(Image::open(file, stored)), row[4]);
    }
    EXPECT_EQ(golden::crc(Image::open(file, white)), row[5]);
  }
}

TEST(Decode, TheHeadOfEveryPictureThatIsReadPasses) {
  for (const auto& row : golden::read_table("decoded.txt")) {
    EXPECT_NO_THROW(Image::check(golden::folder() / "files" / row[0])) << row[0];
  }
}

// What stands behind the head is not looked at, and a head that is longer than what is read at
// first is read whole.
TEST(Decode, AHeadIsCheckedHoweverLongItIs) {
  const test::TempDirectory folder;
  const std::string whole = test::content_of(golden::folder() / "files/rgb_420.jpg");
  folder.write("cut.jpg", whole.substr(0, whole.size() / 2));
  EXPECT_NO_THROW(Image::check(folder / "cut.jpg"));
  EXPECT_THROW(Image::open(folder / "cut.jpg"), Error);

  const std::string comment = "\xFF\xFE\xF0\x02" + std::string(0xF000, 'x');
  folder.write("long.jpg", whole.substr(0, 2) + comment + comment + whole.substr(2));
  EXPECT_NO_THROW(Image::check(folder / "long.jpg"));
  EXPECT_EQ(golden::crc(Image::open(folder / "long.jpg")),
            golden::crc(Image::open(golden::folder() / "files/rgb_420.jpg")));
}

TEST(Decode, AHeadIsRefusedAsTheWholePictureWouldBe) {
  const test::TempDirectory folder;
  folder.write("words.jpg", "no picture");
  folder.write("none.png", "");
  ImageOptions small;
  small.max_pixels = 100;
  const auto coffee = golden::photographs() / "coffee.jpg";
  const auto message = [](const auto& file, const ImageOptions& options, const auto& look) {
    try {
      look(file, options);
    } catch (const Error& error) {
      return std::string(to_string(error.code())) + " " + error.what();
    }
    return std::string("nothing was thrown");
  };
  const auto expect_same = [&](const std::filesystem::path& file, const ImageOptions& options) {
    const std::string refused =
        message(file, options, [](const auto& name, const auto& how) { Image::open(name, how); });
    EXPECT_NE(refused, "nothing was thrown") << file;
    EXPECT_EQ(
        message(file, options, [](const auto& name, const auto& how) { Image::check(name, how); }),
        refused);
  };
  for (const char* name : {"words.jpg", "none.png", "missing.png", "."}) {
    expect_same(folder / name, {});
  }
  expect_same(coffee, small);
  small.max_pixels = 0;
  expect_same(coffee, small);
}

TEST(Decode, AMessageHasTheNameThatBytesAreGiven) {
  try {
    Image::decode(bytes_of("no picture"), {}, "upload.jpg");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("upload.jpg: ")) << error.what();
  }
}

TEST(Decode, OrientationIsAppliedUnlessIgnored) {
  ImageOptions stored;
  stored.exif = ExifOrientation::ignore;
  std::set<std::string> views;
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const auto file =
        golden::folder() / "files" / ("orientation" + std::to_string(orientation) + ".jpg");
    EXPECT_EQ(Image::open(file).width(), orientation < 5 ? 29 : 19);
    EXPECT_EQ(Image::open(file, stored).width(), 29);
    views.insert(golden::crc(Image::open(file)));
  }
  EXPECT_EQ(views.size(), 8U) << "every orientation gives another picture";
}

TEST(Decode, TheContentTellsTheType) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "instructblip_type";
  std::filesystem::create_directories(folder);
  const auto misnamed = folder / "a picture \xC3\xA9.txt";
  std::filesystem::copy_file(golden::folder() / "files/rgb.png", misnamed,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(golden::crc(Image::open(misnamed)),
            golden::crc(Image::open(golden::folder() / "files/rgb.png")));
  std::filesystem::remove_all(folder);
}

TEST(Decode, BytesAndFileGiveTheSame) {
  const auto file = golden::photographs() / "chelsea.webp";
  std::string content = golden::read_all(file);
  const Image image = Image::decode(bytes_of(content));
  content.assign(content.size(), 0);  // not needed afterwards
  EXPECT_EQ(golden::crc(image), golden::crc(Image::open(file)));
}

// Each limit at the last value that admits the picture, and at the first that does not.
TEST(Decode, LimitsAreTheCallersChoiceAndSayHowTheyAreRaised) {
  const auto file = golden::photographs() / "astronaut.jpg";  // 400 x 400
  const std::string content = golden::read_all(file);
  struct Row {
    std::int64_t ImageOptions::*limit;
    std::int64_t least;
    std::string name;
  };
  for (const Row& row : {Row{&ImageOptions::max_pixels, 160'000, "pixels"},
                         Row{&ImageOptions::max_side, 400, "side"},
                         Row{&ImageOptions::max_bytes, std::ssize(content), "bytes"}}) {
    ImageOptions options;
    options.*row.limit = row.least;
    EXPECT_EQ(Image::open(file, options).width(), 400) << row.name;
    EXPECT_EQ(Image::decode(bytes_of(content), options).width(), 400) << row.name;
    options.*row.limit = row.least - 1;
    const auto refused = [&](const auto& read) {
      try {
        read();
        ADD_FAILURE() << row.name << ": a picture over the limit was decoded";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::bad_image);
        for (const std::string& part : {std::to_string(row.least - 1),
                                        "ImageOptions::max_" + row.name, "--max-" + row.name}) {
          EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
        }
      }
    };
    refused([&] { Image::open(file, options); });
    refused([&] { Image::decode(bytes_of(content), options); });
  }
}

// 32,769 x 2 pixels: more than any side could have before, and than a file with a signature takes.
TEST(Decode, ReadsLongStrips) {
  std::string ppm = "P6 32769 2 255\n";
  for (int i = 0; i < 6 * 32769; ++i) ppm += static_cast<char>(i * 7 % 251);
  const Image image = Image::decode(bytes_of(ppm));
  EXPECT_EQ(image.width(), 32769);
  EXPECT_EQ(image.row(1)[3 * 32768 + 2], (6 * 32769 - 1) * 7 % 251);
}

// Some formats have no head to speak of: a picture of 1 x 20,000 pixels is as good as any other.
TEST(Decode, ThinPicturesAreLegal) {
  std::string bmp("BM\x36\xEA\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18);
  const auto number = [&](std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) bmp += static_cast<char>(value >> (8 * i) & 255);
  };
  number(1, 4);
  number(20000, 4);
  number(1, 2);
  number(24, 2);
  bmp.append(24, '\0');
  bmp.append(20000 * 4, '\x40');
  const Image image = Image::decode(bytes_of(bmp));
  EXPECT_EQ(image.width(), 1);
  EXPECT_EQ(image.height(), 20000);
  EXPECT_EQ(image.row(19999)[2], 0x40);
}

}  // namespace
}  // namespace instructblip
