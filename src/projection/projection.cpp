#include "projection/projection.h"

namespace instructblip {

std::int64_t Projection::views_of(const PictureSize&) const { return 1; }

std::int64_t Projection::rows_of(const PictureSize&, std::int64_t rows) const { return rows; }

at::Tensor Projection::arrange(const at::Tensor& projected, std::span<const PictureSize>) const {
  return projected.reshape({1, -1, projected.size(2)});
}

}  // namespace instructblip
