// Jobs of one call that are answered together as they are made.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "instructblip/generation.h"
#include "pipeline/batch.h"

namespace instructblip {

class JobStream {
 public:
  using Then = std::function<void(Generation generation)>;

  // `model` must have weights, and outlive it.
  explicit JobStream(const ModelParts& model)
      : batch_(model), rows_(rows_of_a_batch(*model.runtime)) {}

  // Runs others until there is room for the job. What became of it is told to `then`, some time
  // before finish() returns. Throws what made any job fail.
  void put(std::shared_ptr<Job> job, Then then);
  void finish();

 private:
  void advance();

  Batch batch_;
  std::size_t rows_;  // that are moved together
  std::unordered_map<const Job*, Then> waiting_;
};

}  // namespace instructblip
