/// Scenes as JSON Lines: a picture, what it shows, and instructions about it, one scene a line.
#pragma once

#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "samples.h"

namespace world {

struct ScenePage {
  Scene scene;
  std::vector<std::uint8_t> rgb = {};  ///< rows of kPicturePixels * 3 bytes
  std::vector<int> owners = {};        ///< as Picture::owners
  std::vector<Sample> samples = {};
};

/// One line, without its end:
/// {"rgb": BASE64, "owners": BASE64, "objects": [{"shape", "colour", "size", "cell"}], "sign":
/// {"text", "cell"} or null, "samples": [{"type", "form", "instruction", "parts", "answer"}]}. Of
/// "owners", one byte a pixel, 255 stands for -1.
std::string to_line(const ScenePage& page);

/// The inverse; owners may be absent. Throws std::runtime_error that names what is wrong.
ScenePage from_line(const std::string& line);

}  // namespace world
