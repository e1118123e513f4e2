// Requests that are answered together: each pass of the language model moves all of them by a
// token.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "pipeline/job.h"
#include "pipeline/model.h"

namespace instructblip {

// The prompts that one pass reads, at most (one prompt may be longer): they hold up the answers
// that are being written, and their activations take memory.
inline constexpr std::size_t kPromptRowsOfAPass = 1024;

// Pictures that the same pass shows to the vision encoder, at most (one request may have more).
inline constexpr std::size_t kPicturesOfAPass = 8;

// Hypotheses that are moved together: a matrix is read once for all of them, and beyond this many
// the time goes into arithmetic, of which sharing saves none.
inline constexpr std::size_t kRowsOfABatch = 32;

// Jobs come and go between passes. Within a pass their rows are packed, never padded, and attention
// keeps them apart, so that an answer is the one that its job gets alone. A pass that fails is
// repeated with each job by itself: only those that fail again have failed. Not shared between
// threads.
class Batch {
 public:
  explicit Batch(const Model& model) : model_(model) {}

  void admit(std::shared_ptr<Job> job);
  void clear() { jobs_.clear(); }
  bool empty() const { return jobs_.empty(); }
  std::size_t jobs() const { return jobs_.size(); }
  // Hypotheses that the next pass may move.
  std::size_t rows() const;
  // Whether the job fits beside the others; alone any job does.
  bool has_room(const Job& job, std::size_t max_rows) const;

  // Reads the prompts of the jobs that came first, moves the others by a token and hands back what
  // has ended: jobs whose next() gives none, or whose error is set.
  std::vector<std::shared_ptr<Job>> advance();

 private:
  using Jobs = std::vector<Job*>;

  // Runs `work` on the runtime's thread with all jobs that have not failed; see above. Where `work`
  // throws, every job is either as it was or finished with it, and is then passed over.
  void isolating_failures(const Jobs& jobs, const std::function<void(const Jobs&)>& work);
  void read_prompts(const Jobs& jobs);
  void encode_pictures(const Jobs& jobs);
  void run_qformer(const Jobs& jobs);
  // The prompts of jobs that have not begun, or a token more for jobs that have; never both.
  void decode(const Jobs& jobs);

  const Model& model_;
  std::vector<std::shared_ptr<Job>> jobs_;  // in the order of admission
};

// One request, from its job to its answer. Throws what made it fail.
Generation answer(const Model& model, std::shared_ptr<Job> job);

}  // namespace instructblip
