#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "golden_image.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

using namespace std::string_literals;

std::string file(const std::string& name) {
  return golden::read_all(golden::folder() / "files" / name);
}

// A damaged head may ask for any size: what is accepted is kept small enough for many rounds.
Image decode(const std::string& bytes) {
  ImageOptions options;
  options.max_pixels = 64'000'000;
  return Image::decode(std::as_bytes(std::span(bytes)), options);
}

std::string cut(std::string bytes, double part) {
  bytes.resize(static_cast<std::size_t>(static_cast<double>(bytes.size()) * part));
  return bytes;
}

std::string with(std::string bytes, std::size_t at, const std::string& patch) {
  return bytes.replace(at, patch.size(), patch);
}

std::string without(std::string bytes, const std::string& part) {
  const std::size_t at = bytes.find(part);
  EXPECT_NE(at, std::string::npos);
  return bytes.erase(at, part.size());
}

// The second half of the entropy-coded data is gone, and an end marker hides it.
std::string patched_up_jpeg() { return cut(file("rgb_420.jpg"), 0.6) + "\xFF\xD9"; }

// CRC-32 as PNG stores it.
std::string chunk(const std::string& name, const std::string& data) {
  const auto big = [](std::uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 255);
    return out;
  };
  golden::Crc32 sum;
  sum.add(name.data(), name.size());
  sum.add(data.data(), data.size());
  return big(static_cast<std::uint32_t>(data.size())) + name + data +
         big(static_cast<std::uint32_t>(std::stoul(sum.text(), nullptr, 16)));
}

std::string png_of_size(const std::string& width, const std::string& height) {
  return "\x89PNG\r\n\x1A\n"s + chunk("IHDR", width + height + "\x08\x02\0\0\0"s) +
         chunk("IDAT", "x\x9C\x03\0\0\0\0\x01"s) + chunk("IEND", "");
}

struct Row {
  const char* name;
  std::function<std::string()> bytes;
  ErrorCode code;
  const char* part;  // part of the message
};

const std::vector<Row>& rows() {
  constexpr auto bad = ErrorCode::bad_image;
  constexpr auto other = ErrorCode::unsupported;
  static const std::vector<Row> table = {
      {"empty", [] { return ""s; }, bad, "empty"},
      {"one byte", [] { return "B"s; }, bad, "not a picture"},
      {"text", [] { return "Dear Sir or Madam"s; }, bad, "'Dear Sir'"},
      {"control bytes are escaped", [] { return "\x1B[2Jhello"s; }, bad, "\\x1b"},
      {"zeros", [] { return std::string(4096, '\0'); }, bad, "nothing but zeros"},
      {"html", [] { return "<!DOCTYPE html><html></html>"s; }, bad, "a web page"},

      {"PAM", [] { return "P7\nWIDTH 1\n"s; }, other, "PAM"},
      {"PFM", [] { return "Pf\n1 1\n-1.0\n\0\0\0\0"s; }, other, "PFM"},
      {"HEIC",
       [] {
         return "\0\0\0\x18"
                "ftypheic\0\0\0\0"s;
       },
       other, "HEIC"},
      {"JPEG XL", [] { return "\xFF\x0A\0\0"s; }, other, "JPEG XL"},
      {"Photoshop", [] { return "8BPS\0\1"s; }, other, "PSD"},
      {"icon", [] { return "\0\0\1\0\1\0"s; }, other, "ICO"},
      {"cursor", [] { return "\0\0\2\0\1\0\x20\x20\0\0\0\0\0\0\x30\1\0\0\x16\0\0\0"s; }, other,
       "CUR"},
      {"TGA", [] { return "\0\0\2\0\0\0\0\0\0\0\0\0\x02\0\x02\0\x18\0"s + std::string(12, 'x'); },
       other, "TGA"},
      {"TGA, packed grey", [] { return "\0\0\x0B\0\0\0\0\0\0\0\0\0\x02\0\x02\0\x08\0"s + "\x83x"; },
       other, "TGA"},
      {"TGA, of a palette", [] { return "\0\1\1\0\0\0\1\x18\0\0\0\0\x02\0\x02\0\x08\0"s + "xyz"; },
       other, "TGA"},
      {"SVG", [] { return "<?xml version=\"1.0\"?>\n<svg xmlns=\"x\"/>"s; }, other, "SVG"},
      {"MP4",
       [] {
         return "\0\0\0\x20"
                "ftypisom\0\0\2\0"s;
       },
       other, "--video"},
      {"Matroska", [] { return "\x1A\x45\xDF\xA3\x9F"s; }, other, "--video"},
      {"AVI", [] { return "RIFF\0\0\0\0AVI LIST"s; }, other, "--video"},
      {"OpenEXR", [] { return "v/1\1\2\0\0\0"s; }, other, "OpenEXR"},
      {"Radiance", [] { return "#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n"s; }, other, "Radiance"},
      {"Sun raster", [] { return "\x59\xA6\x6A\x95\0\0\0\1"s; }, other, "Sun raster"},
      {"AVIF",
       [] {
         return "\0\0\0\x20"
                "ftypavif"s;
       },
       other, "AVIF"},
      {"BigTIFF", [] { return "II+\0\x08\0\0\0"s; }, other, "BigTIFF"},
      {"PDF", [] { return "%PDF-1.7"s; }, other, "PDF"},

      {"JPEG, start marker only", [] { return "\xFF\xD8\xFF"s; }, bad, "cut short"},
      {"JPEG, half", [] { return cut(file("rgb_420.jpg"), 0.5); }, bad,
       "JPEG: the file is cut short"},
      {"JPEG, last byte missing", [] { return cut(file("rgb_420.jpg"), 0.9999); }, bad,
       "JPEG: the file is cut short"},
      {"JPEG, half of a progressive one", [] { return cut(file("progressive.jpg"), 0.7); }, bad,
       "JPEG: the file is cut short"},
      {"JPEG, cut and ended by hand", [] { return patched_up_jpeg(); }, bad, "JPEG"},
      {"JPEG, a restart missing", [] { return without(file("restarts.jpg"), "\xFF\xD0"); }, bad,
       "JPEG"},
      {"JPEG, no tables",
       [] {
         std::string bytes = file("rgb_420.jpg");
         return with(bytes, bytes.find("\xFF\xDB") + 1, "\xFE");
       },
       bad, "JPEG"},
      {"JPEG, height 0",
       [] {
         std::string bytes = file("rgb_420.jpg");
         return with(bytes, bytes.find("\xFF\xC0") + 5, "\0\0"s);
       },
       bad, "JPEG"},
      {"JPEG, 65,535 pixels wide",
       [] {
         std::string bytes = file("rgb_420.jpg");
         return with(bytes, bytes.find("\xFF\xC0") + 7, "\xFF\xFF");
       },
       bad, "JPEG"},
      {"JPEG, 12 bits",
       [] {
         std::string bytes = file("rgb_420.jpg");
         return with(bytes, bytes.find("\xFF\xC0") + 4, "\x0C");
       },
       other, "12 bits"},
      {"JPEG, lossless",
       [] {
         std::string bytes = file("rgb_420.jpg");
         return with(bytes, bytes.find("\xFF\xC0") + 1, "\xC3");
       },
       other, "lossless"},
      {"JPEG, two components",
       [] {
         std::string bytes = file("rgb_420.jpg");
         return with(bytes, bytes.find("\xFF\xC0") + 9, "\2");
       },
       other, "2 components"},
      {"JPEG, a segment past the end", [] { return "\xFF\xD8\xFF\xE0\xFF\xFF"s; }, bad, "segment"},

      {"PNG, signature only", [] { return file("rgb.png").substr(0, 8); }, bad, "PNG"},
      {"PNG, half", [] { return cut(file("rgb.png"), 0.5); }, bad, "cut short"},
      {"PNG, no end chunk", [] { return file("rgb.png").substr(0, file("rgb.png").size() - 12); },
       bad, "cut short"},
      {"PNG, a wrong checksum of pixels",
       [] {
         std::string bytes = file("rgb.png");
         return with(bytes, bytes.size() - 13, "\x55");
       },
       bad, "CRC"},
      {"PNG, a wrong checksum of metadata",
       [] {
         std::string bytes = file("gamma.png");
         return with(bytes, bytes.find("gAMA") + 8, "\x55");
       },
       bad, "CRC"},
      {"PNG, a text of 2 GB",
       [] {
         std::string bytes = file("raw_profile.png");
         return with(bytes, bytes.find("tEXt") - 4, "\x7F");
       },
       bad, "cut short"},
      {"PNG, 2 billion pixels wide", [] { return png_of_size("\x7F\xFF\xFF\xFF"s, "\0\0\0\1"s); },
       bad, "2147483647"},
      {"PNG, 32,000 squared in 60 bytes", [] { return png_of_size("\0\0\x7D\0"s, "\0\0\x7D\0"s); },
       bad, "32000 x 32000"},
      {"PNG, width 0", [] { return png_of_size("\0\0\0\0"s, "\0\0\0\1"s); }, bad, "0 x 1"},
      {"PNG, fewer pixels than said", [] { return png_of_size("\0\0\0\4"s, "\0\0\0\4"s); }, bad,
       "PNG"},
      {"PNG, no palette", [] { return without(file("palette.png"), "\0\0\0\x30PLTE"s); }, bad,
       "PNG"},

      {"GIF, half", [] { return cut(file("palette.gif"), 0.5); }, bad, "cut short"},
      {"GIF, half of the first frame", [] { return cut(file("animated.gif"), 0.2); }, bad,
       "cut short"},
      {"GIF, damaged codes",
       [] {
         std::string bytes = file("local_palette.gif");
         return with(bytes, bytes.size() - 100, std::string(60, '\xA5'));
       },
       bad, "GIF"},

      {"WebP, half", [] { return cut(file("lossy.webp"), 0.5); }, bad, "cut short"},
      {"WebP, last byte missing", [] { return cut(file("lossless.webp"), 0.9999); }, bad,
       "cut short"},
      {"WebP, no chunks", [] { return "RIFF\4\0\0\0WEBP"s; }, bad, "no chunks"},
      {"WebP, no picture", [] { return "RIFF\x16\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\0\0\0\0\0\0"s; },
       bad, "no picture"},
      {"WebP, damaged lossless data",
       [] {
         std::string bytes = file("lossless.webp");
         return with(bytes, 40, std::string(60, '\xA5'));
       },
       bad, "damaged"},
      {"WebP, a frame outside of the canvas",
       [] {
         std::string bytes = file("animated.webp");
         return with(bytes, bytes.find("ANMF") + 8, "\xFF");
       },
       bad, "canvas"},

      {"BMP, header only", [] { return file("rgb.bmp").substr(0, 54); }, bad, "ends before"},
      {"BMP, last byte missing", [] { return cut(file("rgb.bmp"), 0.9999); }, bad, "ends before"},
      {"BMP, a header of 17 bytes", [] { return with(file("rgb.bmp"), 14, "\x11"); }, other, "17"},
      {"BMP, 7 bits", [] { return with(file("rgb.bmp"), 28, "\7"); }, other, "7 bits"},
      {"BMP, JPEG inside", [] { return with(file("rgb.bmp"), 30, "\4"); }, other, "compression 4"},
      {"BMP, 4 billion pixels wide", [] { return with(file("rgb.bmp"), 18, "\xFF\xFF\xFF\xFF"); },
       bad, "4294967295"},
      {"BMP, runs that end early", [] { return cut(file("run_lengths_8.bmp"), 0.95); }, bad,
       "run lengths"},

      {"TIFF, head only", [] { return file("rgb.tif").substr(0, 8); }, bad, "TIFF"},
      {"TIFF, directory only", [] { return file("rgb.tif").substr(0, 300); }, bad, "TIFF"},
      {"TIFF, half of the packed data", [] { return cut(file("tiff_lzw.tif"), 0.5); }, bad, "TIFF"},
      {"TIFF, damaged packed data",
       [] {
         std::string bytes = file("tiff_adobe_deflate.tif");
         return with(bytes, 60, std::string(200, '\x5A'));
       },
       bad, "TIFF"},
      {"TIFF, a directory past the end", [] { return "II*\0\xFF\xFF\xFF\x7F"s; }, bad, "TIFF"},

      {"JPEG 2000, signature only", [] { return "\0\0\0\x0CjP  \r\n\x87\n"s; }, bad, "no picture"},
      {"JPEG 2000, start of a stream", [] { return "\xFF\x4F\xFF\x51\0\x29"s; }, bad, "cut short"},
      {"JPEG 2000, half", [] { return cut(file("rgb.jp2"), 0.5); }, bad, "cut short"},
      {"JPEG 2000, half of a stream", [] { return cut(file("rgb.j2k"), 0.5); }, bad, "JPEG 2000"},
      {"JPEG 2000, a tile missing", [] { return cut(file("offset.jp2"), 0.8); }, bad, "JPEG 2000"},
      {"JPEG 2000, damaged packets",
       [] {
         std::string bytes = file("lossy.jp2");
         return with(bytes, bytes.find("\xFF\x93") + 2, std::string(40, '\xFF'));
       },
       bad, "JPEG 2000"},
      {"JPEG 2000, five components",
       [] {
         std::string bytes = file("rgb.j2k");
         return with(bytes, 41, "\5");
       },
       other, "5 components"},
      {"JPEG 2000, half as many columns of colour",
       [] {
         std::string bytes = file("rgb.j2k");
         return with(bytes, 46, "\2");
       },
       other, "other sizes"},
      {"JPEG 2000, 24 bits",
       [] {
         std::string bytes = file("grey.jp2");
         return with(bytes, bytes.find("\xFF\x4F\xFF\x51") + 42, "\x17");
       },
       other, "24 bits"},
      {"JPEG 2000, a million tiles",
       [] {
         std::string bytes = file("rgb.j2k");
         bytes = with(bytes, 8, "\0\0\x04\0\0\0\x04\0"s);
         return with(bytes, 24, "\0\0\0\1\0\0\0\1"s);
       },
       other, "1048576 tiles"},
      {"JPEG 2000, one tile of 100 million pixels",
       [] {
         const std::string size = "\0\0\x27\x10\0\0\x27\x10"s;
         return with(with(file("rgb.j2k"), 8, size), 24, size);
       },
       other, "a tile of 100000000 pixels"},
      {"JPEG 2000, another colour space",
       [] {
         std::string bytes = file("rgb.jp2");
         return with(bytes, bytes.find("colr") + 7, "\0\0\0\x0E"s);
       },
       other, "colour space 14"},
      {"JPEG 2000, the header says otherwise",
       [] {
         std::string bytes = file("rgb.jp2");
         return with(bytes, bytes.find("ihdr") + 7, "\x55");
       },
       bad, "disagree"},

      {"PNM, no size", [] { return "P6\n"s; }, bad, "cut short"},
      {"PNM, a word for a number", [] { return "P5 was here"s; }, bad, "width is not a number"},
      {"PNM, a negative width", [] { return "P5 -3 4 255 "s; }, bad, "not a number"},
      {"PNM, too large a number", [] { return "P5 12345678901 4 255 "s; }, bad, "digits"},
      {"PNM, no levels", [] { return "P5 3 4 0 "s; }, bad, "largest value is 0"},
      {"PNM, too many levels", [] { return "P6 3 4 65536 "s; }, bad, "65536"},
      {"PNM, size 0", [] { return "P5 0 4 255 "s; }, bad, "0 x 4"},
      {"PNM, last byte missing",
       [] { return file("grey.pgm").substr(0, file("grey.pgm").size() - 1); }, bad, "cut short"},
      {"PNM, a sample missing", [] { return "P2 2 1 9 5"s; }, bad, "cut short"},
      {"PNM, a sample over the largest", [] { return "P2 2 1 9 5 10"s; }, bad, "a sample of 10"},
      {"PNM, a bit that is none", [] { return "P1 2 1 02"s; }, bad, "neither 0 nor 1"},
  };
  return table;
}

// Runs `function` and returns what it has written to the process's stderr.
std::string stderr_of(const std::function<void()>& function) {
  std::fflush(stderr);
  std::string name = testing::TempDir() + "instructblip_stderrXXXXXX";
  const int file = ::mkstemp(name.data());
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(file, STDERR_FILENO);
  function();
  std::fflush(stderr);
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::close(file);
  const std::string text = golden::read_all(name);
  ::unlink(name.c_str());
  return text;
}

TEST(MalformedImage, IsRefusedByNameAndInSilence) {
  ASSERT_GE(rows().size(), 50U);
  const std::string printed = stderr_of([] {
    for (const Row& row : rows()) {
      try {
        const Image image = decode(row.bytes());
        ADD_FAILURE() << row.name << ": decoded as " << image.width() << " x " << image.height();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), row.code) << row.name << ": " << error.what();
        EXPECT_NE(std::string(error.what()).find(row.part), std::string::npos)
            << row.name << ": " << error.what();
      }
    }
  });
  EXPECT_EQ(printed, "");
}

// A picture is decoded whole or not at all: what is accepted lacks nothing but bytes after the last
// pixel.
TEST(MalformedImage, NoCutLosesPixels) {
  for (const auto& row : golden::read_table("decoded.txt")) {
    const std::string whole = file(row[0]);
    const std::size_t step = std::max<std::size_t>(1, whole.size() / 97);
    int accepted = 0;
    for (std::size_t size = 0; size < whole.size(); size += step) {
      try {
        EXPECT_EQ(golden::crc(decode(whole.substr(0, size))), row[3])
            << row[0] << " cut to " << size << " of " << whole.size();
        ++accepted;
      } catch (const Error&) {
      }
    }
    // Nothing after a GIF's first frame is looked at.
    if (!row[0].ends_with(".gif") || !row[0].starts_with("animated")) {
      EXPECT_LE(accepted, 4) << row[0];
    }
  }
}

TEST(MalformedImage, AnyByteMayBeWrong) {
  std::uint32_t state = 7;
  const auto next = [&](std::uint32_t below) {
    state = state * 1664525U + 1013904223U;
    return (state >> 8) % below;
  };
  const std::string printed = stderr_of([&] {
    for (const auto& row : golden::read_table("decoded.txt")) {
      const std::string whole = file(row[0]);
      for (int round = 0; round < 60; ++round) {
        std::string bytes = whole;
        for (std::uint32_t i = next(4); i < 4; ++i) {
          bytes[next(static_cast<std::uint32_t>(bytes.size()))] = static_cast<char>(next(256));
        }
        try {
          const Image image = decode(bytes);
          EXPECT_GT(image.width(), 0);
        } catch (const Error& error) {
          EXPECT_TRUE(error.code() == ErrorCode::bad_image ||
                      error.code() == ErrorCode::unsupported)
              << row[0] << ": " << error.what();
        }
      }
    }
  });
  EXPECT_EQ(printed, "");
}

ErrorCode code_of_open(const std::filesystem::path& path) {
  try {
    Image::open(path);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path.filename().string()), std::string::npos)
        << error.what();
    return error.code();
  }
  ADD_FAILURE() << path << " was opened";
  return ErrorCode::internal;
}

TEST(MalformedImage, OnlyRegularFilesAreOpened) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "instructblip_files";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  EXPECT_EQ(code_of_open(folder / "missing.jpg"), ErrorCode::not_found);
  EXPECT_EQ(code_of_open(folder), ErrorCode::bad_image);
  ASSERT_EQ(::mkfifo((folder / "fifo.jpg").c_str(), 0600), 0);
  EXPECT_EQ(code_of_open(folder / "fifo.jpg"), ErrorCode::bad_image);  // and does not wait
  const auto large = folder / "large.jpg";
  { std::ofstream(large) << "\xFF\xD8\xFF"; }
  std::filesystem::resize_file(large, (640U << 20) + 1);  // sparse
  EXPECT_EQ(code_of_open(large), ErrorCode::bad_image);
  std::filesystem::remove_all(folder);
}

TEST(MalformedImage, GoodAfterBadIsGood) {
  const std::string good = file("rgb_420.jpg");
  const std::string before = golden::crc(decode(good));
  EXPECT_THROW(decode(patched_up_jpeg()), Error);
  EXPECT_EQ(golden::crc(decode(good)), before);
}

}  // namespace
}  // namespace instructblip
