// A step of beam search. A block takes a request: its threads rank all continuations that the row
// summaries list, by keys in which no two are equal; one thread decides what becomes of the best,
// which are few; then all of them write down the beams that go on, and put the columns of the table
// of slots into the new order.
//
// nvcc gate: shfl.sync griddepcontrol.wait@sm_90a
#include "kernels/cuda/beam_step.h"
#include "kernels/cuda/dev.h"
#include "kernels/cuda/ranking.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kEach = 4, kMaxBeams = 16, kMaxCandidates = 63;
constexpr float kNever = -1e9f;  // a score that must not win, see decoding/running_beams.h

struct Arguments {
  BeamStepProblem problem;
  BeamStepBuffers buffers;
};

// What the threads of a block share.
struct Plan {
  dev::Shared<dev::Words2> exchange;                  // [2][kRankingWarps]
  dev::Shared<float> scores;                          // [64], of the candidates, the best first
  dev::Shared<std::int32_t> beams, tokens, finished;  // [64]
  dev::Shared<std::int32_t> chosen;                   // [kMaxBeams], candidates that go on
  dev::Shared<float> answers;         // [2 * kMaxBeams]: scores of slots, then of candidates
  dev::Shared<std::int32_t> kept;     // [kMaxBeams], of these
  dev::Shared<std::int32_t> outcome;  // the status
  static constexpr std::size_t kBytes =
      2 * kRankingWarps * 8 + (4 * 64 + kMaxBeams + 2 * kMaxBeams + kMaxBeams + 1) * 4;
};

__device__ inline Plan shared_plan() {
  Plan plan;
  plan.exchange = dev::shared_memory<dev::Words2>();
  plan.scores = (plan.exchange + 2 * kRankingWarps).template as<float>();
  plan.beams = (plan.scores + 64).template as<std::int32_t>();
  plan.tokens = plan.beams + 64;
  plan.finished = plan.tokens + 64;
  plan.chosen = plan.finished + 64;
  plan.answers = (plan.chosen + kMaxBeams).template as<float>();
  plan.kept = (plan.answers + 2 * kMaxBeams).template as<std::int32_t>();
  plan.outcome = plan.kept + kMaxBeams;
  return plan;
}

// Where a request's step stands.
struct Request {
  int number, first_row, step;
};

// The continuations of all beams, in the order of their scores: one more than are looked at.
// Returns how many there are, in all threads.
__device__ inline int rank(const Arguments& a, const Request& r, const Plan& plan) {
  const BeamStepProblem& p = a.problem;
  const BeamStepBuffers& b = a.buffers;
  const int top = p.candidates + 1;
  Key keys[kEach];
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int n = static_cast<int>(dev::thread()) + i * static_cast<int>(kRankingThreads);
    keys[i] = {0, 0};
    if (n >= p.beams * top) continue;
    const int beam = n / top, row = b.rows[r.first_row + beam];
    if (b.best_tokens[row * top + n % top] < 0) continue;
    const float logprob = (b.best_logits[row * top + n % top] - b.max[row]) - b.log_sum[row];
    keys[i] = Key::of(logprob + b.scores[r.first_row + beam], n);
  }
  int count = 0;
  take_first(keys, top, plan.exchange, [&](int i, const Key& key) {
    if (key.nothing()) return;
    count = i + 1;
    if (dev::thread() != 0) return;
    const int beam = key.at() / top, row = b.rows[r.first_row + beam];
    const auto at = static_cast<unsigned>(i);
    plan.scores.store(at, key.number());
    plan.beams.store(at, beam);
    plan.tokens.store(at, b.best_tokens[row * top + key.at() % top]);
  });
  return count;
}

__device__ inline bool is_stop(const Arguments& a, std::int32_t token) {
  for (int i = 0; i < a.problem.stop_ids; ++i) {
    if (a.buffers.stop_ids[i] == token) return true;
  }
  return false;
}

// Which of the slots and of the candidates that are complete fill the slots from now on. False:
// equal scores decide. Those kept are numbered as `answers` are; -1: none is left.
__device__ inline bool keep_answers(const Arguments& a, const Request& r, const Plan& plan) {
  const int beams = a.problem.beams;
  for (int i = 0; i < 2 * beams; ++i) {
    const auto at = static_cast<unsigned>(i);
    float score = kNever;
    if (i < beams) {
      const BeamSlot& slot = a.buffers.slots[r.first_row + i];
      if (slot.complete != 0) score = slot.score;
    } else if (plan.finished.load(at - static_cast<unsigned>(beams)) != 0) {
      score = plan.scores.load(at - static_cast<unsigned>(beams)) / a.buffers.divisors[r.step + 1];
    }
    plan.answers.store(at, score);
  }
  for (int k = 0; k < beams; ++k) {
    int best = -1, equals = 0;
    float highest = kNever;
    for (int i = 0; i < 2 * beams; ++i) {
      const float score = plan.answers.load(static_cast<unsigned>(i));
      if (score > highest) {
        best = i;
        equals = 0;
        highest = score;
      } else if (score == highest) {
        ++equals;
      }
    }
    if (best >= 0 && equals > 0) return false;
    plan.kept.store(static_cast<unsigned>(k), best);
    if (best >= 0) plan.answers.store(static_cast<unsigned>(best), kNever);
  }
  return true;
}

// The score of an answer that has been kept; none: kNever.
__device__ inline float kept_score(const Arguments& a, const Request& r, const Plan& plan, int k) {
  const int beams = a.problem.beams, kept = plan.kept.load(static_cast<unsigned>(k));
  if (kept < 0) return kNever;
  if (kept < beams) return a.buffers.slots[r.first_row + kept].score;
  return plan.scores.load(static_cast<unsigned>(kept - beams)) / a.buffers.divisors[r.step + 1];
}

// Whether a running beam may still become better than an answer. kBeamsUndecided: it may hardly.
__device__ inline std::int32_t outcome_of(const Arguments& a, const Request& r, const Plan& plan) {
  const BeamStepProblem& p = a.problem;
  using EarlyStopping = BeamStepProblem::EarlyStopping;
  float worst = kept_score(a, r, plan, 0);
  for (int k = 1; k < p.beams; ++k) worst = fminf(worst, kept_score(a, r, plan, k));
  const bool full = plan.kept.load(static_cast<unsigned>(p.beams) - 1) >= 0;
  if (full && p.early_stopping == EarlyStopping::yes) return kBeamsComplete;
  const bool grows = p.early_stopping == EarlyStopping::never && p.rewards_length;
  const float score = plan.scores.load(static_cast<unsigned>(plan.chosen.load(0)));
  const float best = score / a.buffers.divisors[grows ? p.max_new_tokens : r.step + 1];
  if (!full) return best > kNever ? kBeamsRunning : kBeamsUndecided;
  return best > worst ? kBeamsRunning : kBeamsComplete;
}

// By one thread.
__device__ inline std::int32_t decide(const Arguments& a, const Request& r, const Plan& plan,
                                      int count) {
  const BeamStepProblem& p = a.problem;
  if (count < p.candidates) return kBeamsUndecided;
  for (int i = 0; i + 1 < count; ++i) {
    const auto at = static_cast<unsigned>(i);
    if (plan.scores.load(at) == plan.scores.load(at + 1)) return kBeamsUndecided;
  }
  int going_on = 0;
  for (int i = 0; i < p.candidates; ++i) {
    const auto at = static_cast<unsigned>(i);
    const bool ends = r.step + 1 >= p.max_new_tokens || is_stop(a, plan.tokens.load(at));
    plan.finished.store(at, ends ? 1 : 0);
    if (ends || going_on == p.beams) continue;
    plan.chosen.store(static_cast<unsigned>(going_on++), i);
  }
  if (!keep_answers(a, r, plan)) return kBeamsUndecided;
  if (going_on == 0) return kBeamsComplete;
  return going_on < p.beams ? kBeamsUndecided : outcome_of(a, r, plan);
}

// By one thread: slots move towards the end, if at all, so that none is overwritten before it
// moves.
__device__ inline void write_slots(const Arguments& a, const Request& r, const Plan& plan) {
  const int beams = a.problem.beams;
  BeamSlot* slots = a.buffers.slots + r.first_row;
  for (int k = beams - 1; k >= 0; --k) {
    const int kept = plan.kept.load(static_cast<unsigned>(k));
    if (kept >= 0 && kept < beams) slots[k] = slots[kept];
  }
  for (int k = 0; k < beams; ++k) {
    const int kept = plan.kept.load(static_cast<unsigned>(k));
    if (kept < beams) continue;
    const auto at = static_cast<unsigned>(kept - beams);
    slots[k] = {plan.scores.load(at) / a.buffers.divisors[r.step + 1], 1, r.step + 1,
                plan.beams.load(at), plan.tokens.load(at)};
  }
}

// The beams that go on, each by a thread.
__device__ inline void write_beam(const Arguments& a, const Request& r, const Plan& plan, int k) {
  const BeamStepProblem& p = a.problem;
  const BeamStepBuffers& b = a.buffers;
  const auto candidate = static_cast<unsigned>(plan.chosen.load(static_cast<unsigned>(k)));
  const int row = r.first_row + k;
  const std::int32_t token = plan.tokens.load(candidate);
  const std::int64_t history =
      (static_cast<std::int64_t>(r.number) * p.max_new_tokens + r.step) * p.beams + k;
  b.parents[history] = plan.beams.load(candidate);
  b.tokens[history] = token;
  b.rows[row] = row;
  b.scores[row] = plan.scores.load(candidate);
  b.next_tokens[row] = token;
  b.positions[row] = b.first_positions[r.number] + r.step;
  b.append_slots[row] = b.own_slots[static_cast<std::int64_t>(row) * p.max_new_tokens + r.step];
}

// A thread has a column of the table: the slots of all beams at one position.
__device__ inline void reorder_slots(const Arguments& a, const Request& r, const Plan& plan) {
  const BeamStepProblem& p = a.problem;
  const BeamStepBuffers& b = a.buffers;
  const std::int64_t first = static_cast<std::int64_t>(r.first_row) * p.max_new_tokens;
  for (int t = static_cast<int>(dev::thread()); t <= r.step; t += kRankingThreads) {
    std::int32_t slots[kMaxBeams];
#pragma unroll
    for (int k = 0; k < kMaxBeams; ++k) {
      if (k >= p.beams) continue;
      const auto candidate = static_cast<unsigned>(plan.chosen.load(static_cast<unsigned>(k)));
      const int parent = plan.beams.load(candidate);
      slots[k] = t < r.step ? b.tail_slots[first + parent * p.max_new_tokens + t]
                            : b.own_slots[first + k * p.max_new_tokens + t];
    }
#pragma unroll
    for (int k = 0; k < kMaxBeams; ++k) {
      if (k < p.beams) b.tail_slots[first + k * p.max_new_tokens + t] = slots[k];
    }
  }
}

__device__ inline bool all_finite(const Arguments& a, const Request& r) {
  for (int k = 0; k < a.problem.beams; ++k) {
    if (a.buffers.not_finite[a.buffers.rows[r.first_row + k]] >= 0) return false;
  }
  return true;
}

__global__ void __launch_bounds__(kRankingThreads) beam_step_kernel(Arguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const BeamStepBuffers& b = a.buffers;
  const int number = static_cast<int>(dev::block_x());
  const Request r{number, number * a.problem.beams, b.steps[number]};
  if (b.status[number] != kBeamsRunning) return;
  const Plan plan = shared_plan();
  const bool finite = all_finite(a, r);
  const int count = rank(a, r, plan);
  if (dev::thread() == 0) {
    plan.outcome.store(0, finite ? decide(a, r, plan, count) : kBeamsNotFinite);
  }
  dev::sync_threads();  // all have read the state, too
  const std::int32_t outcome = plan.outcome.load();
  if (outcome == kBeamsRunning) {
    if (static_cast<int>(dev::thread()) < a.problem.beams) {
      write_beam(a, r, plan, static_cast<int>(dev::thread()));
    }
    reorder_slots(a, r, plan);
  }
  if (dev::thread() != 0) return;
  b.status[number] = outcome;
  if (outcome == kBeamsRunning || outcome == kBeamsComplete) {
    write_slots(a, r, plan);
    b.steps[number] = r.step + 1;
  }
  if (outcome == kBeamsRunning) b.lengths[2 * number + 1] = r.step + 1;
}

}  // namespace

const char* beam_step_refuses(const BeamStepProblem& p) {
  if (p.beams < 1 || p.beams > kMaxBeams) return "there are 1 to 16 beams";
  if (p.candidates < 2 * p.beams || p.candidates > kMaxCandidates) {
    return "at least two candidates for each beam are looked at, and at most 63";
  }
  if (p.max_new_tokens < 1) return "there is at least one new token";
  return nullptr;
}

int step_beams(const BeamStepProblem& problem, const BeamStepBuffers& buffers, void* stream,
               bool overlaps_previous) {
  if (problem.requests == 0) return 0;
  dev::LaunchConfig config;
  config.blocks.x = static_cast<unsigned>(problem.requests);
  config.threads = kRankingThreads;
  config.shared_bytes = Plan::kBytes;
  config.stream = stream;
  config.overlaps_previous = overlaps_previous;
  return dev::launch(config, beam_step_kernel, Arguments{problem, buffers});
}

}  // namespace instructblip::kernels::cuda
