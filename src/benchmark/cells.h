// The rows of a report while they are measured.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "config/model_config.h"
#include "costs/stage_costs.h"
#include "instructblip/benchmark.h"
#include "pipeline/model_parts.h"

namespace instructblip {

struct Cell {
  BenchmarkRow row;                      // sizes; no times yet
  std::vector<costs::Cost> costs = {};   // one after the other: of a sample, or a step of decode
  std::vector<costs::Pass> passes = {};  // the same as the model is held, once that is known
  // What the first request was answered: the tokens, and the times of each sample.
  struct Answer {
    std::vector<std::int32_t> tokens;
    std::vector<Timings> timings;
  };
  std::shared_ptr<Answer> answer = {};  // null: nothing is answered
  std::function<double()> sample = {};  // milliseconds, of a step where there are several
  std::vector<double> ms = {};
};

// A cell for each combination that makes a difference, in the order of `options`. `model`, built
// from `config`, must outlive them. Throws Error(invalid_argument) for sizes that it cannot take.
std::vector<Cell> cells_of(const ModelParts& model, const ModelConfig& config,
                           const BenchmarkOptions& options);

// Median, least and spread of what was sampled, one at least.
void summarise(Cell& cell);

}  // namespace instructblip
