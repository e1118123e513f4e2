#include "instructblip/benchmark.h"

#include "api/backend.h"
#include "core/boundary.h"
#include "costs/published_models.h"

namespace instructblip {

std::string_view to_string(BenchmarkStage stage) noexcept {
  switch (stage) {
    case BenchmarkStage::vision:
      return "vision";
    case BenchmarkStage::qformer:
      return "qformer";
    case BenchmarkStage::prefill:
      return "prefill";
    case BenchmarkStage::decode:
      return "decode";
    case BenchmarkStage::first_token:
      return "first_token";
    case BenchmarkStage::end_to_end:
      break;
  }
  return "end_to_end";
}

std::vector<std::string> benchmark_models() {
  std::vector<std::string> names;
  for (const costs::PublishedModel& model : costs::published_models()) {
    names.emplace_back(model.name);
  }
  return names;
}

BenchmarkReport benchmark(const BenchmarkOptions& options) {
  return at_boundary([&] { return backend().benchmark(options); });
}

}  // namespace instructblip
