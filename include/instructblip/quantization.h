/// Checkpoints in 8 and 4 bits: written once, loaded quickly, and compared with what they were made
/// from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "instructblip/checkpoint.h"
#include "instructblip/export.h"
#include "instructblip/pipeline.h"

namespace instructblip {

/// How a checkpoint is quantised.
struct QuantizeOptions {
  /// Most bytes of tensors in one file; more of them make shards and an index.
  std::int64_t max_shard_bytes = 4'000'000'000;
  /// Number of requests, about made-up pictures, that both models are asked to compare them; 0:
  /// none, where the whole model does not fit into memory. At most 64.
  int probes = 8;
  /// Asked in the place of the made-up ones.
  std::vector<Request> requests = {};
  /// Called with what is done next: on the thread that calls.
  std::function<void(const std::string& what)> on_stage = {};
};

/// What rounding did to a matrix: the root of the squared differences over that of the squared
/// values, of all of it and of the row that it did most to.
struct MatrixError {
  std::string name;
  std::string module;     ///< as ModuleInfo::name
  std::string precision;  ///< "q8" or "q4"
  std::int64_t rows = 0, columns = 0;
  double error = 0;
  double worst_error = 0;      ///< the largest of a row
  std::int64_t worst_row = 0;  ///< its index
};

/// A request that both models answered.
struct Probe {
  std::string instruction;
  std::vector<std::int32_t> tokens, quantized_tokens;  ///< best answers
  std::string text, quantized_text;
  /// Index of the first token that is not the same; -1: the answers are equal.
  int first_difference = -1;
  /// Kullback-Leibler divergence of the distributions of the first new token, in nats: of the
  /// quantised model's from the whole one's.
  double divergence = 0;
};

/// What was written.
struct QuantizeReport {
  int tensors = 0, files = 0;  ///< files with tensors
  std::int64_t bytes = 0;      ///< bytes of tensors
  std::string precision;       ///< "q8" or "q4"
  std::string policy;          ///< LoadOptions::policy, all of it
  std::vector<MatrixError> matrices;
  std::vector<Probe> probes;  ///< empty where none was asked for, and for models for retrieval
};

/// Writes a model, with all that `options` lays over it, as one directory that every function here
/// loads like a checkpoint, in `options.precision` (q8 or q4) and `options.policy`: the matrices in
/// 8 or 4 bits with their scales, all else in the type in which it would be held, config.json and
/// what else belongs to it. It is loaded as if the checkpoint were with the same two options: the
/// same numbers, and so the same answers. docs/quantisation.md describes the files. The directory
/// has been loaded and asked before it appears under its name, whole; nothing is ever replaced.
/// Errors: as convert(); invalid_argument (another precision; options out of range); unsupported
/// where the checkpoint is quantised already.
INSTRUCTBLIP_API QuantizeReport quantize(const std::filesystem::path& checkpoint_dir,
                                         const std::filesystem::path& output,
                                         const LoadOptions& options,
                                         const QuantizeOptions& how = {});

}  // namespace instructblip
