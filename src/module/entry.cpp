// The way into the stages from the library that a program links.
#include "api/backend.h"
#include "benchmark/run_benchmark.h"
#include "conversion/convert.h"
#include "conversion/quantize.h"
#include "pipeline/encoded_pictures.h"
#include "pipeline/model.h"
#include "retrieval/loaded_matcher.h"

extern "C" const instructblip::Backend* instructblip_backend(int version) {
  using namespace instructblip;
  static constexpr Backend kBackend = {
      .load_pipeline = load_pipeline,
      .load_matcher = load_matcher,
      .load_features = load_features,
      .convert = convert_checkpoint,
      .quantize = quantize_checkpoint,
      .benchmark = run_benchmark,
  };
  return version == kBackendVersion ? &kBackend : nullptr;
}
