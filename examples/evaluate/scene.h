/// The synthetic world that models/TASK.md defines: what there is to see.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace world {

inline constexpr int kCellsAcross = 3;
inline constexpr int kCellPixels = 24;
inline constexpr int kPicturePixels = kCellsAcross * kCellPixels;
inline constexpr int kSignWidth = 26, kSignHeight = 18;

inline constexpr std::array<std::string_view, 6> kShapes = {"circle",  "square", "triangle",
                                                            "diamond", "cross",  "ring"};
inline constexpr std::array<std::string_view, 8> kColours = {"red",    "green",  "blue", "yellow",
                                                             "orange", "purple", "pink", "black"};
inline constexpr std::array<std::string_view, 2> kSizes = {"small", "large"};
inline constexpr std::array<std::string_view, 9> kPlaces = {
    "top left", "top",         "top right", "left",        "center",
    "right",    "bottom left", "bottom",    "bottom right"};  // by cell
inline constexpr std::array<std::string_view, 12> kWords = {
    "bus", "cat", "cup", "dog", "fox", "hat", "ice", "key", "map", "pen", "sun", "box"};

using Rgb = std::array<int, 3>;

struct Object {
  int shape = 0, colour = 0, size = 0, cell = 0;  ///< indices into the names above
  int x = 0, y = 0;                               ///< centre, pixels
  int diameter = 0;                               ///< pixels
  Rgb shade = {};                                 ///< the colour as it is painted
};

struct Sign {
  std::string text;  ///< two digits or one of kWords
  int cell = 0;
  int x = 0, y = 0;  ///< top left corner, pixels

  bool is_number() const { return text.size() == 2; }
};

struct Scene {
  std::vector<Object> objects;  ///< in reading order: by cell
  std::optional<Sign> sign;
  Rgb background = {};
  int slope = 0;  ///< brightness added from the top row to the bottom row
  std::uint64_t noise = 0;
};

/// Scene `index` of `seed`: 1 to 4 objects, often with a sign.
Scene make_scene(std::uint64_t seed, std::uint64_t index);

/// Crowded scene `index` of `seed`: 6 to 9 objects, none reaching over its cell's edge; no sign.
Scene make_crowded_scene(std::uint64_t seed, std::uint64_t index);

struct Picture {
  std::vector<std::uint8_t> rgb;  ///< kPicturePixels rows of kPicturePixels * 3 bytes
  /// What each pixel shows: an index into Scene::objects, kSignOwner, or -1.
  std::vector<int> owners;
};

inline constexpr int kSignOwner = 9;

Picture draw(const Scene& scene);

}  // namespace world
