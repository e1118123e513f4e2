// Requests that are answered together: each pass of the language model moves all of them by a
// token.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "instructblip/pipeline.h"
#include "pipeline/job.h"
#include "pipeline/model_parts.h"
#include "pipeline/walk.h"

namespace instructblip {

// The prompts that one pass reads, at most (one prompt may be longer): they hold up the answers
// that are being written, and their activations take memory.
inline constexpr std::size_t kPromptRowsOfAPass = 1024;

// Pictures that the same pass shows to the vision encoder, at most (one request may have more).
inline constexpr std::size_t kPicturesOfAPass = 8;

// Hypotheses that are moved together: a matrix is read once for all of them, and beyond this many
// the time goes into arithmetic, of which sharing saves none. A device computes far more in the
// time in which it reads a byte.
std::size_t rows_of_a_batch(const nn::Runtime& runtime);

// Jobs come and go between passes; what passes do with them is the Walk's business. Not shared
// between threads.
class Batch {
 public:
  // `model` must have weights.
  explicit Batch(const ModelParts& model) : walk_(model) {}

  void admit(std::shared_ptr<Job> job);
  void clear();
  bool empty() const { return jobs_.empty(); }
  std::size_t jobs() const { return jobs_.size(); }
  // Hypotheses that the next pass may move.
  std::size_t rows() const;
  // Whether the job fits beside the others; alone any job does.
  bool has_room(const Job& job, std::size_t max_rows) const;

  // Reads the prompts of the jobs that came first, moves the others by a token, or those of them
  // that a device has begun a step for, and hands back what has ended: jobs whose next() gives
  // none, or whose error is set.
  std::vector<std::shared_ptr<Job>> advance();

 private:
  Walk walk_;
  std::vector<std::shared_ptr<Job>> jobs_;  // in the order of admission
};

// The answer of one request. Throws what made it fail.
Generation answer(const ModelParts& model, const std::shared_ptr<Job>& job);

// The answers of many, admitted in their order as soon as there is room. As Pipeline::generate().
std::vector<Response> answer_all(const ModelParts& model, std::span<const Request> requests,
                                 const Control& control);

}  // namespace instructblip
