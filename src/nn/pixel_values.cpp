#include "nn/pixel_values.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <optional>

#include "nn/device_rows.h"

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

std::vector<std::int64_t> planar(const at::Tensor& bytes) {
  return {bytes.size(0), 3, bytes.size(1), bytes.size(2)};
}

}  // namespace

at::Tensor PixelValues::operator()(const at::Tensor& bytes) const {
  const at::Tensor there = on_device(bytes);
  return there.defined() ? there : runtime_->upload_rows(here(bytes));
}

at::Tensor PixelValues::here(const at::Tensor& bytes) const {
  at::Tensor values = at::empty(planar(bytes), host(at::kFloat));
  kernels::look_up_pixels(table_, bytes.size(0), bytes.size(1) * bytes.size(2),
                          {bytes.const_data_ptr<std::uint8_t>(), values.mutable_data_ptr<float>()},
                          runtime_->queue());
  return values;
}

at::Tensor PixelValues::on_device(const at::Tensor& bytes) const {
  const auto height = static_cast<std::int32_t>(bytes.size(1));
  const auto width = static_cast<std::int32_t>(bytes.size(2));
  cuda::PixelValuesProblem problem{
      .height = height, .width = width, .kept_height = height, .kept_width = width};
  const auto element = element_of(runtime_->row_type());
  problem.wide = !element;
  if (element) problem.element = *element;
  const auto* const kernel = runtime_->device_kernel(runtime_->tables().cuda.pixel_values, problem);
  if (kernel == nullptr) return {};
  if (!table_there_.defined()) {
    // Nobody writes it.
    auto* const values = const_cast<float*>(table_.front().data());
    table_there_ = runtime_->upload(at::from_blob(values, {3, 256}, host(at::kFloat)));
  }
  const at::Tensor in = runtime_->upload(bytes);
  at::Tensor out = runtime_->empty(planar(bytes), runtime_->row_type());
  for (std::int64_t i = 0; i < bytes.size(0); ++i) {
    kernel->run(problem,
                {.in = in[i].const_data_ptr<std::uint8_t>(),
                 .values = table_there_.const_data_ptr<float>(),
                 .out = out[i].mutable_data_ptr()},
                runtime_->stream());
  }
  return out;
}

}  // namespace instructblip::nn
