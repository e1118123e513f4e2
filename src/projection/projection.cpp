#include "projection/projection.h"

namespace instructblip {

at::Tensor Projection::arrange(const at::Tensor& projected, std::span<const PictureSize>) const {
  return projected.reshape({1, -1, projected.size(2)});
}

}  // namespace instructblip
