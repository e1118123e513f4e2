#include "loading/loading.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "adapters/blank_weights.h"
#include "adapters/own_quantisation.h"
#include "adapters/weight_sources.h"
#include "config/lavis.h"
#include "core/boundary.h"
#include "core/errors.h"
#include "core/log.h"
#include "core/processors.h"
#include "kernels/cpu/supports.h"
#include "loading/devices.h"
#include "loading/weight_policy.h"

namespace instructblip {

namespace {

constexpr int kMostThreads = 1024;

// Below this, handing a part of an operation to another thread takes longer than doing it, and far
// longer where other programs keep the cores busy.
constexpr std::int64_t kOneThreadBytes = 64 << 20;

bool is_quantised(const LoadOptions& options) {
  return options.precision == Precision::q8 || options.precision == Precision::q4;
}

nn::Numerics numerics_of(const LoadOptions& options) {
  if (options.deterministic) return nn::Numerics::deterministic;
  switch (options.numerics) {
    case Numerics::automatic:
      if (is_quantised(options)) return nn::Numerics::fast;
      if (choose_device(options).cuda) return nn::Numerics::reference;
      return kernels::cpu::has_avx2(kernels::this_machine()) ? nn::Numerics::fast
                                                             : nn::Numerics::reference;
    case Numerics::reference:
      return is_quantised(options) ? nn::Numerics::fast : nn::Numerics::reference;
    case Numerics::deterministic:
    case Numerics::fast:
      break;
  }
  return options.numerics;
}

// Whoever asks for few bits has products of few bits too, where the processor is faster at them.
// What is stored in bf16 and taken as it is gives the answers of float32.
bool rounds_rows(const LoadOptions& options) {
  return is_quantised(options) || options.precision == Precision::bf16;
}

nn::Format as_stored(nn::Module, DType stored) {
  if (stored == DType::f16) return nn::Format::f16;
  return stored == DType::bf16 ? nn::Format::bf16 : nn::Format::f32;
}

nn::ChooseFormat choose_format(const LoadOptions& options) {
  if (is_quantised(options)) {
    return [policy = WeightPolicy(options.precision, options.policy)](
               nn::Module module, DType stored) { return policy.format(module, stored); };
  }
  const bool fast = numerics_of(options) == nn::Numerics::fast;
  if (fast && options.precision == Precision::automatic) return as_stored;
  return {};
}

// ATen has no fast path for half precision: with its operations `automatic` widens, and the answers
// are those of float32 whatever is stored.
nn::Format format_of(Precision precision) {
  switch (precision) {
    case Precision::f16:
      return nn::Format::f16;
    case Precision::bf16:
      return nn::Format::bf16;
    case Precision::automatic:
    case Precision::f32:
    case Precision::q8:  // see choose_format()
    case Precision::q4:
      break;
  }
  return nn::Format::f32;
}

// Empty where that is seen when the weights are.
std::string precision_of(const LoadOptions& options) {
  switch (options.precision) {
    case Precision::f32:
    case Precision::f16:
    case Precision::bf16:
      break;
    case Precision::q8:
      return "q8";
    case Precision::q4:
      return "q4";
    case Precision::automatic:
      if (choose_format(options)) return "";
      break;
  }
  return name_of(format_of(options.precision));
}

int threads_for(const LoadOptions& options, const TensorStore& store) {
  if (options.threads > 0) return options.threads;
  return store.bytes() < kOneThreadBytes ? 1 : usable_cores();
}

MappedFile::Access access_of(const LoadOptions& options) {
  return options.mmap ? MappedFile::Access::map : MappedFile::Access::copy;
}

WeightSources sources_of(const std::filesystem::path& directory, const LoadOptions& options) {
  return {directory, options.language_model, options.overlays, options.adapters,
          access_of(options)};
}

// What it throws leaves the library as it is.
auto called_back(const decltype(LoadOptions::progress)& progress) {
  if (!progress) return progress;
  return decltype(LoadOptions::progress)([progress](std::int64_t done, std::int64_t total) {
    call_back([&] { progress(done, total); });
  });
}

std::string stored_type_of(const TensorEntry& entry) {
  if (!entry.scales) return std::string(instructblip::name_of(entry.dtype));
  return std::string("Q").append(std::to_string(entry.scales->bits));
}

std::shared_ptr<const TensorStore> checked(TensorStore store) {
  check_not_blank(store);
  return std::make_shared<const TensorStore>(std::move(store));
}

void check_pinned(int threads) {
  const std::size_t cores = cpus_of_cores().size();
  if (cores == 0 || static_cast<std::size_t>(threads) <= cores) return;
  throw Error(ErrorCode::invalid_argument,
              "pin: expected at most as many threads as cores that this process may use, " +
                  std::to_string(cores) + ", got " + std::to_string(threads),
              "ask for fewer threads, or do not pin them");
}

}  // namespace

std::string name_of(nn::Format format) {
  constexpr const char* kNames[] = {"f32", "f16", "bf16", "q8", "q4"};
  return kNames[static_cast<int>(format)];
}

void check_options(const LoadOptions& options) {
  if (options.threads < 0 || options.threads > kMostThreads) {
    throw Error(ErrorCode::invalid_argument, "threads: expected a number in [0, " +
                                                 std::to_string(kMostThreads) + "], got " +
                                                 std::to_string(options.threads));
  }
  if (options.pin) check_pinned(options.threads);
  if (options.deterministic && options.numerics == Numerics::fast) {
    throw Error(ErrorCode::invalid_argument,
                "numerics: expected reference or deterministic with deterministic set, got fast",
                "leave one of the two out");
  }
  const bool lavis = options.compat == Compat::lavis;
  if (options.geometry && !lavis) {
    throw Error(ErrorCode::invalid_argument,
                "geometry: expected none with compat hf, which does what "
                "preprocessor_config.json says",
                "leave it out, or set compat to lavis, whose pictures it is about");
  }
  if (lavis && options.resize == ResizeMode::torchvision) {
    throw Error(ErrorCode::invalid_argument,
                "resize: expected auto, pillow13 or pillow12 with compat lavis, whose pictures are "
                "Pillow's, got torchvision");
  }
  if (!is_quantised(options) && !options.policy.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "policy: expected none where weights are not held as q8 or q4, got " +
                    quote(options.policy));
  }
  if (is_quantised(options)) WeightPolicy(options.precision, options.policy);
  choose_device(options);
}

LoadOptions as_written(const std::filesystem::path& directory, LoadOptions options) {
  const auto own = own_quantisation(directory);
  if (!own) return options;
  const std::string file = printable((directory / "config.json").string());
  if (sources_of(directory, options).mixed()) {
    throw Error(ErrorCode::unsupported,
                file + ": the weights are " + own->weights +
                    ", over which nothing can be laid and into which no adapter be merged",
                "lay it over the checkpoint from which they were made, and quantise that");
  }
  if (is_quantised(options) &&
      (own->weights != (options.precision == Precision::q8 ? "q8" : "q4") ||
       !options.policy.empty())) {
    throw Error(ErrorCode::invalid_argument,
                "precision: expected what " + file + " has, " + own->weights + " with the policy " +
                    own->policy + ", and no other policy",
                "leave both out, or quantise the checkpoint from which it was made once more");
  }
  if (options.precision == Precision::automatic || is_quantised(options)) {
    options.precision = own->weights == "q8" ? Precision::q8 : Precision::q4;
    options.policy = own->policy;
  }
  return options;
}

std::shared_ptr<const TensorStore> open_weights(const std::filesystem::path& directory,
                                                const LoadOptions& options, ModelConfig& config) {
  return checked(gather_weights(sources_of(directory, options), config));
}

std::shared_ptr<const TensorStore> open_weights(const std::filesystem::path& directory,
                                                const LoadOptions& options,
                                                RetrievalConfig& config) {
  return checked(gather_weights(sources_of(directory, options), config));
}

nn::ReadAs read_as(const LoadOptions& options, RoundedTo rounded_to) {
  return {.format = format_of(options.precision),
          .values = options.weights ? nn::Values::read : nn::Values::leave,
          .unread = options.ignore_unexpected ? nn::Unread::leave : nn::Unread::refuse,
          .rounded_to = rounded_to,
          .progress = called_back(options.progress),
          .choose_format = choose_format(options),
          .pack_f32 = options.numerics == Numerics::fast || is_quantised(options)};
}

ImageConfig image_config_of(const std::filesystem::path& directory, const LoadOptions& options,
                            const ImageProcessorRules& rules) {
  ImageConfig config = read_image_config(directory, rules);
  if (options.compat == Compat::lavis) {
    follow_lavis(config, options.geometry.value_or(Geometry::squash));
  }
  return config;
}

nn::Format rows_on_device(const LoadOptions& options, const ModelInfo& info) {
  if (options.precision != Precision::q8 && options.precision != Precision::q4) {
    return format_of(options.precision);
  }
  std::int64_t all = 0, in_f16 = 0;
  for (const TensorInfo& tensor : info.tensors) {
    if (tensor.dtype.starts_with('Q')) continue;  // written so: the others tell
    const std::int64_t elements = checked_elements(tensor.shape).value_or(0);
    all += elements;
    if (tensor.dtype == "F16") in_f16 += elements;
  }
  return 2 * in_f16 > all ? nn::Format::f16 : nn::Format::bf16;
}

namespace {

// Throws where a kernel was forced that these numerics have no use for.
void check_used(const kernels::Choice& forced, nn::Numerics numerics) {
  if (numerics == nn::Numerics::fast) return;
  for (const std::string operation : {"packed_linear", "attention"}) {
    if (forced.forced(operation).empty()) continue;
    throw Error(ErrorCode::invalid_argument,
                "kernels: expected no kernel of " + operation + " with numerics " +
                    std::string(to_string(numerics)) + ", got " +
                    std::string(forced.forced(operation)) + ", which numerics fast alone would run",
                "set numerics to fast, or leave the kernel out");
  }
}

std::unique_ptr<nn::Runtime> unpinned_runtime(const LoadOptions& options, const ModelInfo& info) {
  if (const DeviceChoice choice = choose_device(options); choice.cuda) {
    return make_cuda_runtime(*choice.cuda, info.threads, rows_on_device(options, info),
                             options.kernels);
  }
  kernels::Choice forced = kernels::Choice::parse(options.kernels, "kernels");
  check_used(forced, info.numerics);
  return std::make_unique<nn::Runtime>(info.threads, info.numerics, std::move(forced),
                                       info.rounds_rows);
}

}  // namespace

void check_kernels(const LoadOptions& options) {
  if (choose_device(options).cuda) return;
  check_used(kernels::Choice::parse(options.kernels, "kernels"), numerics_of(options));
}

std::unique_ptr<nn::Runtime> make_runtime(const LoadOptions& options, const ModelInfo& info) {
  std::unique_ptr<nn::Runtime> runtime = unpinned_runtime(options, info);
  if (options.pin) {
    const auto cpus = std::make_shared<const HeldCpus>(static_cast<std::size_t>(info.threads));
    runtime->processor().stay_on(cpus);
  }
  return runtime;
}

void describe_weights(const LoadOptions& options, const TensorStore& store, ModelInfo& info) {
  const DeviceChoice device = choose_device(options);
  info.device = name_of(device);
  info.device_reason = device.why_not;
  info.precision = precision_of(options);
  if (is_quantised(options)) info.policy = WeightPolicy(options.precision, options.policy).text();
  const auto has_few_bits = [](const TensorEntry& entry) { return entry.scales.has_value(); };
  info.quantised = info.policy.find("=q") != std::string::npos ||
                   std::ranges::any_of(store.entries(), has_few_bits);
  info.compat = options.compat;
  info.threads = threads_for(options, store);
  info.numerics = numerics_of(options);
  if (options.numerics == Numerics::reference && info.numerics == Numerics::fast) {
    log_warning("numerics: fast, not reference: no operation of the reference has weights of " +
                std::string(options.precision == Precision::q8 ? "8" : "4") + " bits");
  }
  info.rounds_rows = !device.cuda && info.numerics == Numerics::fast && rounds_rows(options);
  info.deterministic = info.numerics == Numerics::deterministic;
  const bool mixed = sources_of({}, options).mixed();
  for (const TensorEntry& entry : store.entries()) {
    info.tensors.push_back(
        {entry.name, stored_type_of(entry), entry.shape,
         mixed ? entry.file : std::filesystem::path(entry.file).filename().string()});
  }
}

void describe_modules(const nn::WeightLoader& loader, ModelInfo& info) {
  for (int i = 0; i < nn::kModules; ++i) {
    const auto module = static_cast<nn::Module>(i);
    const nn::WeightLoader::Taken& taken = loader.taken_by(module);
    if (taken.elements == 0) continue;
    info.modules.push_back(
        {std::string(name_of(module)), taken.elements, taken.bytes, name_of(taken.usual_format())});
  }
}

void describe_pixels(const ImageProcessor& processor, ModelInfo& info) {
  info.image_height = static_cast<int>(processor.height());
  info.image_width = static_cast<int>(processor.width());
  info.resize = processor.mode();
}

void describe_vision(const VitConfig& config, ModelInfo& info) {
  info.vision_layers = static_cast<int>(config.layers);
  info.vision_width = static_cast<int>(config.hidden);
}

void describe_vision(const ClipVisionConfig& config, ModelInfo& info) {
  info.vision_layers = static_cast<int>(config.layers);
  info.vision_width = static_cast<int>(config.hidden);
}

void describe_qformer(const QFormerConfig& config, ModelInfo& info) {
  info.query_tokens = static_cast<int>(config.queries);
  info.qformer_layers = static_cast<int>(config.layers);
  info.qformer_width = static_cast<int>(config.hidden);
  if (config.reads_instruction) {
    info.max_instruction_tokens = static_cast<int>(config.max_positions);
  }
}

}  // namespace instructblip
