// What loading takes whatever the model: options, weights, and the description of both.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "checkpoint/tensor_store.h"
#include "config/image_config.h"
#include "config/model_config.h"
#include "config/retrieval_config.h"
#include "image/image_processor.h"
#include "instructblip/pipeline.h"
#include "loading/devices.h"
#include "nn/gradients.h"
#include "nn/runtime.h"
#include "nn/weights.h"

namespace instructblip {

// Throws Error(invalid_argument).
void check_options(const LoadOptions& options);
// Throws Error(invalid_argument) for kernels that the processor lacks, or that the numerics have no
// use for. Those of a device are looked at when it is opened.
void check_kernels(const LoadOptions& options);

// The options for a directory that `instructblip quantize` has written: what they leave open is as
// it was written. Throws Error: invalid_argument where they ask for other bits, unsupported where
// weights come from elsewhere too, and as own_quantisation().
LoadOptions as_written(const std::filesystem::path& directory, LoadOptions options);

// The weights of `directory` and of what `options` names besides, under the names that the stages
// ask for. May change the rows of words that `config` describes.
std::shared_ptr<const TensorStore> open_weights(const std::filesystem::path& directory,
                                                const LoadOptions& options, ModelConfig& config);
std::shared_ptr<const TensorStore> open_weights(const std::filesystem::path& directory,
                                                const LoadOptions& options,
                                                RetrievalConfig& config);

// "f16", as Precision has it.
std::string name_of(nn::Format format);

// How weights are read; `rounded_to` may be null.
nn::ReadAs read_as(const LoadOptions& options, RoundedTo rounded_to);

// Image settings of `directory`, as the reference that `options` names has them.
ImageConfig image_config_of(const std::filesystem::path& directory, const LoadOptions& options,
                            const ImageProcessorRules& rules);

// Device, precision, threads and the list of tensors.
void describe_weights(const LoadOptions& options, const TensorStore& store, ModelInfo& info);
// What the matrices of each module take.
void describe_modules(const nn::WeightLoader& loader, ModelInfo& info);
// What pixels are made, and how.
void describe_pixels(const ImageProcessor& processor, ModelInfo& info);
void describe_vision(const VitConfig& config, ModelInfo& info);
void describe_vision(const ClipVisionConfig& config, ModelInfo& info);
void describe_qformer(const QFormerConfig& config, ModelInfo& info);

// What the type of rows is on a device. With q8 and q4 that of the weights where most are stored as
// f16, else bf16, whose range is that of float32.
nn::Format rows_on_device(const LoadOptions& options, const ModelInfo& info);

// What the model will run on, as `options`, and threads and tensors of `info`, have it. Throws
// Error(invalid_argument) for kernels that do not exist or do not fit this machine.
std::unique_ptr<nn::Runtime> make_runtime(const LoadOptions& options, const ModelInfo& info);

// What `make` builds of the weights at their root, to run on `runtime`. It is called twice: first
// without data, when every tensor is accounted for and counted in `info`, so that what does not fit
// config.json is told before a weight is read. With LoadOptions::weights unset that is all.
template <typename Make>
auto build_stages(std::shared_ptr<const TensorStore> store, nn::ReadAs as, nn::Runtime& runtime,
                  ModelInfo& info, const Make& make) {
  nn::ReadAs without_data = as;
  without_data.values = nn::Values::leave;
  nn::WeightLoader checked(runtime, store, std::move(without_data));
  auto stages = runtime.run([&] { return make(checked.root()); });
  checked.finish();
  info.parameters = checked.parameters();
  info.weight_bytes = checked.bytes();
  describe_modules(checked, info);
  if (info.precision.empty()) info.precision = name_of(checked.usual_format());
  if (as.values == nn::Values::leave) return stages;
  check_memory(runtime, info.weight_bytes, as);

  nn::WeightLoader loader(runtime, std::move(store), std::move(as));
  return runtime.run([&] {
    std::optional<nn::PlainTensors> for_gradients;  // which the processor alone takes
    if (runtime.device().is_cpu()) for_gradients.emplace();
    return make(loader.root());
  });
}

}  // namespace instructblip
