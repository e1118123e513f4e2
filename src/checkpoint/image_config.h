// preprocessor_config.json (or image_processor in processor_config.json) as a plain struct.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>

namespace instructblip {

// How a picture becomes pixel_values. Defaults are those of the reference's BlipImageProcessor for
// keys that a file leaves out; the mean and deviation are CLIP's.
struct ImageConfig {
  bool convert_rgb = true;  // changes nothing here: pictures are RGB once they are decoded
  bool resize = true;
  std::int64_t height = 384;
  std::int64_t width = 384;
  int resample = 3;  // PIL's number of the filter; 3 = bicubic, the only one run here
  bool rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool normalize = true;
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> std = {0.26862954, 0.26130258, 0.27577711};
};

// Reads the settings of the checkpoint in `directory`. Throws Error(not_found) where neither file
// exists, Error(bad_model) where one is broken, Error(unsupported) for a filter that is not
// bicubic.
ImageConfig read_image_config(const std::filesystem::path& directory);

}  // namespace instructblip
