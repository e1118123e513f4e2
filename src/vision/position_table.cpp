#include "vision/position_table.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include <string>

#include "instructblip/error.h"

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
  const std::int64_t hidden = table.size(2);
  const std::int64_t side = image_size / patch_size;
  const std::int64_t height = size.height / patch_size;
  const std::int64_t width = size.width / patch_size;
  const at::Tensor grid = table.narrow(1, 1, side * side)
                              .reshape({1, side, side, hidden})
                              .permute({0, 3, 1, 2});  // [1, V, side, side]
  const at::Tensor resized = at::upsample_bicubic2d(grid, {height, width}, /*align_corners=*/false,
                                                    std::nullopt, std::nullopt);
  const at::Tensor rows = resized.permute({0, 2, 3, 1}).reshape({1, height * width, hidden});
  return at::cat({table.narrow(1, 0, 1), rows}, 1);
}

}  // namespace instructblip
