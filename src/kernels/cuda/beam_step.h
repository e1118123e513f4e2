// A step of plain beam search on a CUDA device, so that the next pass of a model can follow without
// the host: the contract of beam_step.cu. It does what BeamSearch in decoding/beam_search.cpp does,
// in the same arithmetic, for requests without stop strings, draws, log probabilities and edits
// other than bans.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cuda {

struct BeamStepProblem {
  enum class EarlyStopping { no, yes, never };

  std::int32_t requests = 0;
  std::int32_t beams = 0;       // at most 16
  std::int32_t candidates = 0;  // looked at in a step: max(2, 1 + stop_ids) * beams, at most 63
  std::int32_t max_new_tokens = 0;
  std::int32_t stop_ids = 0;
  EarlyStopping early_stopping = EarlyStopping::no;
  bool rewards_length = false;  // the length penalty is above 0
};

// Status of a request. All but `running` are left alone by further steps.
inline constexpr std::int32_t kBeamsRunning = 0;
inline constexpr std::int32_t kBeamsComplete = 1;
// Equal scores decide, or too few tokens are left: the host has to take this step, of which the
// device has changed nothing, by whole rows.
inline constexpr std::int32_t kBeamsUndecided = 2;
inline constexpr std::int32_t kBeamsNotFinite = 3;  // see RowSummaryBuffers::not_finite

// A complete answer, the best first: the beam `parent` as it was after length - 1 tokens, then
// `token`. An empty place has complete = 0.
struct BeamSlot {
  float score;  // by length
  std::int32_t complete, length, parent, token;
};

// R = requests * beams rows; T = max_new_tokens. What the host writes before the first step stands
// in brackets; that step comes behind the pass of the prompts.
struct BeamStepBuffers {
  // What row_summaries.cu finds, with top = candidates + 1.
  const float *max, *log_sum;
  const std::int32_t* not_finite;
  const float* best_logits;
  const std::int32_t* best_tokens;

  const std::int32_t* stop_ids;         // [stop_ids]
  const float* divisors;                // [T + 1]: length ^ length_penalty, from doubles
  const std::int32_t* first_positions;  // [requests], of the first new token
  const std::int32_t* own_slots;  // [R, T]: slots that keys and values of a row's new tokens take

  std::int32_t* status;   // [requests] (running)
  std::int32_t* steps;    // [requests], new tokens of each beam (0)
  std::int32_t* rows;     // [R], the row of summaries that a beam continues (that of its prompt)
  float* scores;          // [R], (0 for the first beam of a request, -1e9 for others)
  BeamSlot* slots;        // [R] (empty, with the score -1e9)
  std::int32_t* parents;  // [requests, T, beams]: the beam that each of a step continues
  std::int32_t* tokens;   // [requests, T, beams]
  // For the next pass: what a row reads, where it stands, where its keys and values go; and, with
  // these among them, what it sees, in the words of PagedAttentionBuffers.
  std::int32_t *next_tokens, *positions, *append_slots;  // [R]
  std::int32_t* tail_slots;                              // [R, T]
  std::int32_t* lengths;                                 // [requests, 2], the second of them
};

// Why the kernel does not take such sizes; null: it does.
const char* beam_step_refuses(const BeamStepProblem& problem);

// As attend(). Behind summarize_rows().
[[nodiscard]] int step_beams(const BeamStepProblem& problem, const BeamStepBuffers& buffers,
                             void* stream, bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
