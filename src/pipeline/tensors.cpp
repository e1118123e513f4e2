#include "pipeline/tensors.h"

#include <ATen/ops/from_blob.h>

#include <memory>
#include <utility>
#include <vector>

#include "instructblip/error.h"
#include "nn/runtime.h"
#include "nn/tensor_values.h"

namespace instructblip {

at::Tensor to_views(const ImageProcessor& processor, const Image& image, kernels::Queue& queue) {
  auto bytes = std::make_shared<std::vector<std::uint8_t>>(processor.bytes(image, queue));
  const std::int64_t size = 3 * processor.height() * processor.width();
  return at::from_blob(
      bytes->data(),
      {static_cast<std::int64_t>(bytes->size()) / size, processor.height(), processor.width(), 3},
      [bytes](void*) {}, nn::host(at::kByte));
}

at::Tensor finite(at::Tensor x, const std::string& stage) {
  if (nn::is_finite(x)) return x;
  throw Error(ErrorCode::bad_model, "the output of the " + stage + " is not finite",
              "the weights hold NaN or infinities, or are too large for the type they are held in");
}

NamedTensor to_named(std::string name, const at::Tensor& tensor) {
  const at::Tensor flat = nn::to_host(tensor).contiguous();
  const float* data = flat.const_data_ptr<float>();
  return {std::move(name), tensor.sizes().vec(), {data, data + flat.numel()}};
}

}  // namespace instructblip
