// preprocessor_config.json (or image_processor in processor_config.json) as a plain struct.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "config/tiling.h"

namespace instructblip {

// Which of the reference's classes read the file, as the model's processor has it.
struct ImageProcessorRules {
  // False: BlipImageProcessor, whatever the file says. True: the class that the file names, and
  // LlavaImageProcessor where it names none.
  bool named_by_file = false;
  // False: those of transformers 4, which take a picture three pixels high for channels.
  bool transformers_5 = false;
  // True: InstructBlipVideoVideoProcessor, by settings of its own where there are such.
  bool of_video = false;
  // LLaVA-NeXT: what the model takes tiles for; the image processor has to cut the same.
  std::optional<TilingConfig> tiling = {};
};

// How a picture becomes pixel_values. Defaults are those of the reference's BlipImageProcessor for
// keys that a file leaves out; the mean and deviation are CLIP's.
struct ImageConfig {
  // No file says how: these are the defaults of the reference's class, which it takes where
  // processor_config.json is there and preprocessor_config.json is not.
  bool is_default = false;
  bool convert_rgb = true;  // changes nothing here: pictures are RGB once they are decoded
  // Whether that processor computes with torchvision, where no caller says what pixels to make.
  bool by_torchvision = false;
  bool three_rows_are_channels = true;
  // A video's frames: of them the reference takes three rows for channels whatever it resizes with,
  // and one row for the only channel.
  bool one_row_is_a_channel = false;
  // So many frames are picked out of a video, evenly; 0: all are shown.
  std::int64_t picked_frames = 0;
  bool pad_to_square = false;  // before anything else, in the colour of the mean
  bool resize = true;
  std::int64_t shortest_edge = 0;  // resized so that the shorter side is this long; 0: to a size
  std::int64_t resized_height = 0, resized_width = 0;  // that size, where it is not the final one
  bool center_crop = false;   // from what is resized; too small a picture gets a black margin
  std::int64_t height = 384;  // height of pixel_values
  std::int64_t width = 384;
  int resample = 3;  // PIL's number of the filter; 3 = bicubic, the only one run here
  bool rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool as_torchvision_transforms = false;  // Resize, CenterCrop, ToTensor, Normalize of LAVIS
  bool normalize = true;
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> std = {0.26862954, 0.26130258, 0.27577711};
  // Where there is one, a picture becomes several: itself, squashed to `whole`, and tiles cut from
  // what it is in the best resolution of the grid, with a black margin. All go through the above.
  std::vector<PictureSize> grid;
  std::int64_t tile_side = 0;
  PictureSize whole;
  bool whole_is_square =
      true;  // a square of its shorter side, as in transformers 4 but for torchvision
};

// Reads the settings of the checkpoint in `directory`. Throws Error(not_found) where neither file
// exists, Error(bad_model) where one is broken, Error(unsupported) for a filter that is not bicubic
// and for an image processor that is not run here.
ImageConfig read_image_config(const std::filesystem::path& directory,
                              const ImageProcessorRules& rules = {});

}  // namespace instructblip
