#include "nn/host.h"

namespace instructblip::nn {

at::Tensor to_host(const at::Tensor& tensor) {
  const at::Tensor here = tensor.to(at::kCPU);
  const bool half = here.scalar_type() == at::kHalf || here.scalar_type() == at::kBFloat16;
  return half ? here.to(at::kFloat) : here;
}

}  // namespace instructblip::nn
