/// How fast the stages of a model run on this machine, and how far that is from what the machine
/// could do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "instructblip/checkpoint.h"
#include "instructblip/export.h"
#include "instructblip/generation.h"

namespace instructblip {

/// What is timed.
enum class BenchmarkStage {
  vision,       ///< pixels to visual rows
  qformer,      ///< visual rows to rows of the prompt: Q-Former and projection, or projection alone
  prefill,      ///< a prompt to the logits of the first new token
  decode,       ///< a token more for each hypothesis of one prompt
  first_token,  ///< a picture and an instruction to the first token of an answer
  end_to_end,   ///< a picture and an instruction to an answer, as Pipeline::generate()
};

/// The enumerator's name.
INSTRUCTBLIP_API std::string_view to_string(BenchmarkStage stage) noexcept;

/// Every list makes the cross product with the others.
struct BenchmarkOptions {
  /// Checkpoint directories. Tokenizers are not needed: texts are made up.
  std::vector<std::filesystem::path> models = {};
  /// Published models by name, benchmark_models(), with random weights made in memory.
  std::vector<std::string> synthetic = {};
  /// At most so many layers of each stack of a synthetic model; 0 = all of them.
  std::vector<int> layers = {0};
  std::vector<BenchmarkStage> stages = {BenchmarkStage::vision,      BenchmarkStage::qformer,
                                        BenchmarkStage::prefill,     BenchmarkStage::decode,
                                        BenchmarkStage::first_token, BenchmarkStage::end_to_end};
  std::vector<Precision> precisions = {Precision::automatic};  ///< how weights are held
  std::vector<Numerics> numerics = {};                         ///< empty: that of `load`
  /// LoadOptions::policy, of those precisions that have one, and LoadOptions::kernels; an empty
  /// text is what holds by default, no text at all that of `load`.
  std::vector<std::string> policies = {}, kernels = {};
  std::vector<int> threads = {0};   ///< 0 = the physical cores, also for a small model
  std::vector<int> pictures = {1};  ///< that go through vision and Q-Former together
  /// Rows of the prompt, those of the picture included; 0 = the picture's and 32 of text.
  std::vector<int> prompts = {0};
  std::vector<int> rows = {1};         ///< hypotheses of decode and end_to_end: beams
  std::vector<int> requests = {1};     ///< answered together by end_to_end, each with its picture
  std::vector<int> new_tokens = {16};  ///< steps of a sample of decode, and lengths of an answer
  /// Samples of each row that are not counted. On a device two at least, since a step is recorded
  /// when it comes for the second time.
  int warm_up = 1;
  int repetitions = 5;  ///< least samples of each row
  double seconds = 0;   ///< least time that each row is sampled for
  /// Memory that is read to find the machine's limit, or copied on a device; far more than caches
  /// hold.
  std::int64_t read_bytes = 512 << 20;
  /// Device, numerics, policy, kernels and pinned threads of the models; the rest is not looked at.
  LoadOptions load = {};
  /// Called with what is done next; on the thread that calls.
  std::function<void(const std::string& what)> progress = {};
  std::stop_token stop = {};  ///< ends early, with the rows that are complete
};

/// The machine at its best, on so many threads, or a device: of several attempts before and between
/// the rows.
struct BenchmarkLimits {
  int threads = 0;
  std::string device = "cpu";  ///< ModelInfo::device
  std::string weights = {};    ///< a device: what its product is of, f32, f16 or bf16; else empty
  /// 1e9 bytes a second: memory in huge pages, read; of a device, a copy, which reads and writes.
  double read_gbps = 0;
  double read_gbps_ordinary = 0;  ///< in pages of 4 KiB; 0 for a device
  /// A multiplication and an addition are two operations: of float32; on a device, in a product of
  /// square matrices by LibTorch, 8192 wide where three of them fit into the memory that is copied.
  double peak_gflops = 0;
  /// The same of whole numbers, as products with weights of 8 and 4 bits multiply them; 0 where no
  /// kernel does, and for a device.
  double peak_gops_of_8_bits = 0, peak_gops_of_16_bits = 0;
  double peak_gflops_of_bf16 = 0;  ///< the same of products of bf16
  bool huge_pages = false;         ///< whether there were any: else both are of 4 KiB
};

/// A stage at one set of sizes.
struct BenchmarkRow {
  std::string model = {};
  int layers = 0;  ///< a synthetic model's stacks were cut to so many; 0 = as published
  BenchmarkStage stage = BenchmarkStage::vision;
  std::string weights = {};   ///< how they are held: ModelInfo::precision
  std::string numerics = {};  ///< the name of ModelInfo::numerics
  int rows = 1;        ///< pictures of vision and Q-Former, prompts of prefill, else hypotheses
  int prompt = 0;      ///< rows of the prompt; 0 where the stage has none
  int new_tokens = 0;  ///< length of the answer, steps of decode; else 0
  int requests = 1;    ///< answered together
  int threads = 0;
  std::string device = {};   ///< ModelInfo::device
  std::string policy = {};   ///< ModelInfo::policy
  std::string kernels = {};  ///< LoadOptions::kernels
  bool pin = false;          ///< LoadOptions::pin
  int samples = 0;
  double median_ms = 0;  ///< decode: a step
  double least_ms = 0;
  double spread = 0;  ///< half the distance between the quartiles, as a share of the median
  double bytes = 0;   ///< weights, keys and values that have to be read, each once
  double flops = 0;   ///< products and attention: a multiplication and an addition are two
  double read_gbps = 0, peak_gflops = 0;  ///< the limits of that device and number of threads
  /// Passes added up, each the longer of reading and computing, by the numbers that its kernels
  /// multiply (BenchmarkLimits).
  double limit_ms = 0;
  bool limited_by_reading = false;
  double fraction_of_limit = 0;        ///< limit_ms / median_ms
  std::int64_t peak_rss_bytes = 0;     ///< most memory since this model was begun; 0: not known
  std::int64_t peak_device_bytes = 0;  ///< the same of its device's, of all tensors
  std::int64_t weight_bytes = 0;       ///< the whole model in memory
  /// first_token and end_to_end: the tokens of the first request, always the same; else empty.
  std::vector<std::int32_t> answer = {};
  /// The same: medians of what that request's Generation::timings say, each by itself; `load` is 0.
  Timings parts = {};
};

struct BenchmarkReport {
  std::vector<BenchmarkLimits> limits;  ///< one for each number of threads
  std::vector<BenchmarkRow> rows;
  bool complete = true;  ///< false: stopped
};

/// Names for BenchmarkOptions::synthetic.
INSTRUCTBLIP_API std::vector<std::string> benchmark_models();

/// Times stages with the code that Pipeline runs. Of one model, precision and number of threads all
/// rows take turns, a sample at a time, so that a busy moment of the machine meets all alike;
/// models, precisions and numbers of threads follow one another. A sample ends when its device has
/// done the work. Errors: as Pipeline::load();
/// invalid_argument (options, unknown names); out_of_memory, before memory is taken for weights
/// that do not fit.
INSTRUCTBLIP_API BenchmarkReport benchmark(const BenchmarkOptions& options);

}  // namespace instructblip
