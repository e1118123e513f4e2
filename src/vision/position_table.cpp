#include "vision/position_table.h"

#include <string>

#include "instructblip/error.h"
#include "nn/arithmetic.h"

namespace instructblip {

at::Tensor fitted_positions(const at::Tensor& table, std::int64_t image_size,
                            std::int64_t patch_size, const VisionEncoder::PixelSize& size) {
  if (size.height == image_size && size.width == image_size) return table;
  if (!size.interpolate) {
    throw Error(ErrorCode::bad_model,
                "the preprocessor's settings make pictures of " + std::to_string(size.height) +
                    " x " + std::to_string(size.width) + " pixels, expected " +
                    std::to_string(image_size) + " x " + std::to_string(image_size) +
                    " (config.json: vision_config.image_size)",
                "is preprocessor_config.json that of this checkpoint? Where it is, and pictures of "
                "another size are wanted, interpolate_pos_encoding stretches the positions, as the "
                "reference does with the option of this name");
  }
  return nn::resized_positions(table, image_size / patch_size, size.height / patch_size,
                               size.width / patch_size);
}

}  // namespace instructblip
