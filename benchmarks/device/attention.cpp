// Attention of whole sequences: our kernel and LibTorch's, at the sizes of published models.
#include <cmath>
#include <string>
#include <vector>

#include "device_timer.h"
#include "nn/device_rows.h"

namespace instructblip::benchmarks {
namespace {

namespace cuda = kernels::cuda;

struct Case {
  const char* name;
  std::int32_t heads, queries, keys, width;
  bool causal = false;
  std::int32_t masked = 0;        // the last keys, of which there is no text
  std::int32_t max_distance = 0;  // T5's bias goes so far
};

constexpr Case kCases[] = {
    {"ViT 16x257x88", 16, 257, 257, 88},
    {"Q-Former self 12x48x64", 12, 48, 48, 64},
    {"Q-Former self 12x48x64, 4 masked", 12, 48, 48, 64, false, 4},
    {"Q-Former cross 12x32x257x64", 12, 32, 257, 64},
    {"T5 32x64x64, bias", 32, 64, 64, 64, false, 0, 128},
    {"LLaMA 32x72x128, causal", 32, 72, 72, 128, true},
};

// Rows where sequences of one length begin.
at::Tensor offsets(const nn::Runtime& runtime, std::int32_t sequences, std::int32_t length) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(sequences) + 1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<std::int32_t>(i) * length;
  }
  return runtime.ids(values);
}

// Ours reads no masked rows: they are not there. Queries, keys and values stand in one product
// where they are of one sequence.
Measured ours(DeviceTimer& timer, const Case& of, std::int32_t batch) {
  nn::DeviceRuntime& runtime = timer.runtime();
  const bool self = of.queries == of.keys;
  const std::int32_t keys = of.keys - of.masked, queries = self ? keys : of.queries;
  const std::int64_t row = std::int64_t{of.heads} * of.width;
  const at::Tensor q = timer.noise({batch * queries, self ? 3 * row : row});
  const at::Tensor kv = self ? q.narrow(1, row, 2 * row) : timer.noise({batch * keys, 2 * row});
  const at::Tensor k = kv.narrow(1, 0, row), v = kv.narrow(1, row, row);
  const at::Tensor starts = offsets(runtime, batch, queries),
                   key_starts = offsets(runtime, batch, keys);
  const at::Tensor bias =
      of.max_distance > 0
          ? runtime.upload(timer.noise({of.heads, 2 * of.max_distance + 1}).to(at::kFloat))
          : at::Tensor();
  const at::Tensor out = runtime.empty({batch * queries, row}, runtime.row_type());
  const cuda::AttentionProblem problem{
      .element = *nn::element_of(runtime.row_type()),
      .sequences = batch,
      .max_queries = queries,
      .query_heads = of.heads,
      .key_heads = of.heads,
      .width = of.width,
      .divisor = of.max_distance > 0 ? 1.0f : std::sqrt(static_cast<float>(of.width)),
      .causal = of.causal,
      .max_distance = of.max_distance};
  const auto* const kernel = runtime.device_kernel(runtime.tables().cuda.attention, problem);
  if (kernel == nullptr) return {"ours", 0, "no kernel takes it"};
  const cuda::AttentionBuffers buffers{
      .queries = nn::address_of(q),
      .keys = nn::address_of(k),
      .values = nn::address_of(v),
      .query_pitch = q.stride(0),
      .key_pitch = k.stride(0),
      .value_pitch = v.stride(0),
      .out_pitch = row,
      .query_offsets = starts.const_data_ptr<std::int32_t>(),
      .key_offsets = key_starts.const_data_ptr<std::int32_t>(),
      .bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr,
      .out = out.mutable_data_ptr()};
  return timer.time("ours", [&] {
    kernel->run(problem, buffers, runtime.stream());
    return out;
  });
}

DeviceTimer::Heads torch_heads(DeviceTimer& timer, const Case& of, std::int32_t batch) {
  DeviceTimer::Heads heads{.causal = of.causal, .divided = of.max_distance == 0};
  if (of.queries == of.keys) {  // as they lie behind a product
    const at::Tensor all =
        timer.noise({batch, of.queries, 3, of.heads, of.width}).permute({2, 0, 3, 1, 4});
    heads.queries = all[0], heads.keys = all[1], heads.values = all[2];
  } else {
    heads.queries = timer.noise({batch, of.queries, of.heads, of.width}).transpose(1, 2);
    heads.keys = timer.noise({batch, of.keys, of.heads, of.width}).transpose(1, 2);
    heads.values = timer.noise({batch, of.keys, of.heads, of.width}).transpose(1, 2);
  }
  if (of.max_distance > 0) {
    heads.mask = timer.noise({1, of.heads, of.queries, of.keys})
                     .expand({batch, of.heads, of.queries, of.keys});
  }
  if (of.masked > 0) {
    at::Tensor mask = timer.noise({batch, 1, 1, of.keys}).zero_();
    mask.narrow(3, of.keys - of.masked, of.masked).fill_(-1e4);
    heads.mask = mask.expand({batch, of.heads, of.queries, of.keys});
  }
  return heads;
}

}  // namespace

void benchmark_attention(DeviceTimer& timer) {
  for (const Case& of : kCases) {
    for (const std::int32_t batch : {1, 8, 64}) {
      const Measured mine = ours(timer, of, batch);
      print("attention " + std::string(of.name) + ", batch " + std::to_string(batch), mine,
            timer.time_torch(torch_heads(timer, of, batch)));
    }
  }
}

}  // namespace instructblip::benchmarks
