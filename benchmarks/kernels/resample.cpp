// A photograph of 640 x 480 to 224 x 224, an axis at a time, with as many taps as bicubic has.
#include "kernels/resample.h"

#include <memory>

#include "benchmarks/kernels/each_kernel.h"

namespace instructblip::kernels::benchmarks {
namespace {

struct Data {
  ResampleProblem problem;
  std::vector<std::uint8_t> in, out;
  std::vector<std::int32_t> first, count, weights;

  void run(const ResampleKernel& kernel, std::uint8_t* to) const {
    SerialQueue queue;
    kernel.run(problem,
               {in.data(), 3 * problem.width, first.data(), count.data(), weights.data(), to},
               queue);
  }
};

Case<ResampleKernel> make(const ResampleProblem& p) {
  const auto data = std::make_shared<Data>();
  data->problem = p;
  std::minstd_rand random(5);
  data->in.resize(static_cast<std::size_t>(3 * p.height * p.width));
  for (std::uint8_t& byte : data->in) byte = static_cast<std::uint8_t>(random());
  const bool across = p.axis == ResampleProblem::Axis::horizontal;
  const int inputs = across ? p.width : p.height, others = across ? p.height : p.width;
  data->out.resize(static_cast<std::size_t>(3 * p.outputs * others));
  for (int i = 0; i < p.outputs; ++i) {
    data->first.push_back(static_cast<std::int32_t>(static_cast<std::int64_t>(i) *
                                                    (inputs - p.taps) / (p.outputs - 1)));
    data->count.push_back(p.taps);
    for (int tap = 0; tap < p.taps; ++tap) data->weights.push_back((1 << p.precision) / p.taps);
  }
  const double bytes = static_cast<double>(data->in.size() + data->out.size());
  return {.name = {},
          .work = {bytes, 0},
          .run = [data](const ResampleKernel& kernel) { data->run(kernel, data->out.data()); },
          .is_right =
              [data] {
                std::vector<std::uint8_t> want(data->out.size());
                data->run(resample_kernels().back(), want.data());
                return data->out == want;
              }};
}

}  // namespace

void register_resample() {
  using Axis = ResampleProblem::Axis;
  register_each(resample_kernels(),
                ResampleProblem{.axis = Axis::horizontal,
                                .height = 480,
                                .width = 640,
                                .outputs = 224,
                                .taps = 13,
                                .precision = 22},
                "640x480/across", make);
  register_each(resample_kernels(),
                ResampleProblem{.axis = Axis::vertical,
                                .height = 480,
                                .width = 224,
                                .outputs = 224,
                                .taps = 10,
                                .precision = 22},
                "224x480/down", make);
}

}  // namespace instructblip::kernels::benchmarks
