#include <algorithm>
#include <cstdlib>

#include "random.h"
#include "scene.h"

namespace world {
namespace {

constexpr int kGlyphWidth = 5, kGlyphHeight = 7;

struct Glyph {
  char character;
  std::array<std::string_view, kGlyphHeight> rows;
};

// clang-format off
constexpr Glyph kFont[] = {
    {'0', {" ### ", "#   #", "#  ##", "# # #", "##  #", "#   #", " ### "}},
    {'1', {"  #  ", " ##  ", "  #  ", "  #  ", "  #  ", "  #  ", " ### "}},
    {'2', {" ### ", "#   #", "    #", "   # ", "  #  ", " #   ", "#####"}},
    {'3', {" ### ", "#   #", "    #", "  ## ", "    #", "#   #", " ### "}},
    {'4', {"   # ", "  ## ", " # # ", "#  # ", "#####", "   # ", "   # "}},
    {'5', {"#####", "#    ", "#### ", "    #", "    #", "#   #", " ### "}},
    {'6', {" ### ", "#    ", "#    ", "#### ", "#   #", "#   #", " ### "}},
    {'7', {"#####", "    #", "   # ", "  #  ", " #   ", " #   ", " #   "}},
    {'8', {" ### ", "#   #", "#   #", " ### ", "#   #", "#   #", " ### "}},
    {'9', {" ### ", "#   #", "#   #", " ####", "    #", "    #", " ### "}},
    {'a', {" ### ", "#   #", "#   #", "#####", "#   #", "#   #", "#   #"}},
    {'b', {"#### ", "#   #", "#   #", "#### ", "#   #", "#   #", "#### "}},
    {'c', {" ### ", "#   #", "#    ", "#    ", "#    ", "#   #", " ### "}},
    {'d', {"#### ", "#   #", "#   #", "#   #", "#   #", "#   #", "#### "}},
    {'e', {"#####", "#    ", "#    ", "#### ", "#    ", "#    ", "#####"}},
    {'f', {"#####", "#    ", "#    ", "#### ", "#    ", "#    ", "#    "}},
    {'g', {" ### ", "#   #", "#    ", "# ###", "#   #", "#   #", " ####"}},
    {'h', {"#   #", "#   #", "#   #", "#####", "#   #", "#   #", "#   #"}},
    {'i', {" ### ", "  #  ", "  #  ", "  #  ", "  #  ", "  #  ", " ### "}},
    {'k', {"#   #", "#  # ", "# #  ", "##   ", "# #  ", "#  # ", "#   #"}},
    {'m', {"#   #", "## ##", "# # #", "# # #", "#   #", "#   #", "#   #"}},
    {'n', {"#   #", "##  #", "# # #", "#  ##", "#   #", "#   #", "#   #"}},
    {'o', {" ### ", "#   #", "#   #", "#   #", "#   #", "#   #", " ### "}},
    {'p', {"#### ", "#   #", "#   #", "#### ", "#    ", "#    ", "#    "}},
    {'s', {" ####", "#    ", "#    ", " ### ", "    #", "    #", "#### "}},
    {'t', {"#####", "  #  ", "  #  ", "  #  ", "  #  ", "  #  ", "  #  "}},
    {'u', {"#   #", "#   #", "#   #", "#   #", "#   #", "#   #", " ### "}},
    {'x', {"#   #", "#   #", " # # ", "  #  ", " # # ", "#   #", "#   #"}},
    {'y', {"#   #", "#   #", " # # ", "  #  ", "  #  ", "  #  ", "  #  "}},
};
// clang-format on

/// Whether a point is inside. Eighths of a pixel from the centre, y down; `r` half the diameter.
bool inside(int shape, int x, int y, int r) {
  const int across = std::abs(x), along = std::abs(y);
  switch (shape) {
    case 0:
      return x * x + y * y <= r * r;  // circle
    case 1:
      return 8 * std::max(across, along) <= 7 * r;  // square
    case 2:
      return along <= r && 2 * across <= y + r;  // triangle, tip up
    case 3:
      return across + along <= r;  // diamond
    case 4:
      return std::max(across, along) <= r && 3 * std::min(across, along) <= r;  // cross
    default:
      return x * x + y * y <= r * r && 4 * (x * x + y * y) >= r * r;  // ring
  }
}

class Canvas {
 public:
  explicit Canvas(const Scene& scene) {
    picture_.owners.assign(kPicturePixels * kPicturePixels, -1);
    values_.reserve(kPicturePixels * kPicturePixels * 3);
    for (int y = 0; y < kPicturePixels; ++y) {
      for (int x = 0; x < kPicturePixels; ++x) {
        for (const int channel : scene.background) {
          values_.push_back(channel + scene.slope * y / kPicturePixels);
        }
      }
    }
  }

  void paint(const Object& object, int owner) {
    const int r = object.diameter / 2;
    for (int y = std::max(0, object.y - r); y < std::min(kPicturePixels, object.y + r); ++y) {
      for (int x = std::max(0, object.x - r); x < std::min(kPicturePixels, object.x + r); ++x) {
        blend(x, y, object.shade, coverage(object, x, y), owner);
      }
    }
  }

  void paint(const Sign& sign) {
    for (int y = 0; y < kSignHeight; ++y) {
      for (int x = 0; x < kSignWidth; ++x) {
        const bool frame = x == 0 || y == 0 || x == kSignWidth - 1 || y == kSignHeight - 1;
        blend(sign.x + x, sign.y + y, frame ? kInk : kPlate, kFull, kSignOwner);
      }
    }
    // Digits are twice as wide and high as the font, letters only twice as high.
    const int scale = sign.is_number() ? 2 : 1;
    const int length = static_cast<int>(sign.text.size());
    const int advance = kGlyphWidth * scale + 2;
    const int left = (kSignWidth - (length * advance - 2)) / 2;
    for (int i = 0; i < length; ++i) {
      write(sign.text[static_cast<std::size_t>(i)], sign.x + left + i * advance, sign.y + 2, scale);
    }
  }

  Picture finish(std::uint64_t noise) {
    Random random(noise, 0);
    picture_.rgb.reserve(values_.size());
    for (const int value : values_) {
      picture_.rgb.push_back(
          static_cast<std::uint8_t>(std::clamp(value + random.between(-6, 6), 0, 255)));
    }
    return std::move(picture_);
  }

 private:
  static constexpr int kFull = 16;  // samples of a pixel
  static constexpr Rgb kInk = {25, 25, 25}, kPlate = {250, 250, 250};

  static int coverage(const Object& object, int x, int y) {
    int hits = 0;
    for (int sample = 0; sample < kFull; ++sample) {
      const int dx = 8 * (x - object.x) + 2 * (sample % 4) + 1;
      const int dy = 8 * (y - object.y) + 2 * (sample / 4) + 1;
      hits += inside(object.shape, dx, dy, 4 * object.diameter);
    }
    return hits;
  }

  void write(char character, int left, int top, int scale) {
    const auto* glyph = std::ranges::find(kFont, character, &Glyph::character);
    for (int y = 0; y < kGlyphHeight * 2; ++y) {
      for (int x = 0; x < kGlyphWidth * scale; ++x) {
        const auto row = glyph->rows[static_cast<std::size_t>(y / 2)];
        if (row[static_cast<std::size_t>(x / scale)] == '#') {
          blend(left + x, top + y, kInk, kFull, kSignOwner);
        }
      }
    }
  }

  void blend(int x, int y, const Rgb& colour, int share, int owner) {
    const auto pixel = static_cast<std::size_t>(y * kPicturePixels + x);
    for (std::size_t i = 0; i < 3; ++i) {
      int& value = values_[3 * pixel + i];
      value += (colour[i] - value) * share / kFull;
    }
    if (2 * share >= kFull) picture_.owners[pixel] = owner;
  }

  std::vector<int> values_;
  Picture picture_;
};

}  // namespace

Picture draw(const Scene& scene) {
  Canvas canvas(scene);
  for (std::size_t i = 0; i < scene.objects.size(); ++i) {
    canvas.paint(scene.objects[i], static_cast<int>(i));
  }
  if (scene.sign) canvas.paint(*scene.sign);
  return canvas.finish(scene.noise);
}

}  // namespace world
