// A block takes a request: its threads rank all continuations that the row summaries list, by keys
// in which no two are equal; one thread decides which go on; then all of them write these down, and
// put the columns of the table of slots into the new order.
//
// nvcc gate: shfl.sync griddepcontrol.wait@sm_90a
#include "kernels/cuda/dev.h"
#include "kernels/cuda/next_rows.h"
#include "kernels/cuda/ranking.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kEach = 4, kMaxRows = 16, kMaxCandidates = 63;

struct Arguments {
  NextRowsProblem problem;
  NextRowsBuffers buffers;
};

// What the threads of a block share.
struct Plan {
  dev::Shared<dev::Words2> exchange;       // [2][kRankingWarps]
  dev::Shared<float> scores;               // [64], of the candidates, the best first
  dev::Shared<std::int32_t> rows, tokens;  // [64]
  dev::Shared<std::int32_t> chosen;        // [kMaxRows], candidates that go on
  dev::Shared<std::int32_t> decided;       // whether they are
  static constexpr std::size_t kBytes =
      2 * kRankingWarps * 8 + (3 * (kMaxCandidates + 1) + kMaxRows + 1) * 4;
};

__device__ inline Plan shared_plan() {
  constexpr unsigned kPlaces = kMaxCandidates + 1;
  Plan plan;
  plan.exchange = dev::shared_memory<dev::Words2>();
  plan.scores = (plan.exchange + 2 * kRankingWarps).template as<float>();
  plan.rows = (plan.scores + kPlaces).template as<std::int32_t>();
  plan.tokens = plan.rows + kPlaces;
  plan.chosen = plan.tokens + kPlaces;
  plan.decided = plan.chosen + kMaxRows;
  return plan;
}

// A request, and how many positions its rows see.
struct Request {
  int number, first_row, shared, own;

  __device__ bool extends_shared(const NextRowsProblem& p) const { return p.rows == 1 && own == 0; }
};

// Ranks the continuations of all rows: one more than are looked at. Returns how many there are, in
// all threads.
__device__ inline int rank(const Arguments& a, const Request& r, const Plan& plan) {
  const NextRowsProblem& p = a.problem;
  const NextRowsBuffers& b = a.buffers;
  const int listed = p.candidates + 1;
  Key keys[kEach];
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int n = static_cast<int>(dev::thread()) + i * static_cast<int>(kRankingThreads);
    keys[i] = {0, 0};
    if (n >= p.rows * listed) continue;
    const int row = r.first_row + n / listed, at = row * p.top + n % listed;
    if (b.best_tokens[at] < 0) continue;
    // As LogNormalizer, then the sum.
    const float logprob = (b.best_logits[at] - b.max[row]) - b.log_sum[row];
    keys[i] = Key::of(logprob + b.scores[row], n);
  }
  int count = 0;
  take_first(keys, listed, plan.exchange, [&](int i, const Key& key) {
    if (key.nothing()) return;
    count = i + 1;
    if (dev::thread() != 0) return;
    const int row = key.at() / listed;
    const auto at = static_cast<unsigned>(i);
    plan.scores.store(at, key.number());
    plan.rows.store(at, row);
    plan.tokens.store(at, b.best_tokens[(r.first_row + row) * p.top + key.at() % listed]);
  });
  return count;
}

__device__ inline bool ends(const Arguments& a, std::int32_t token) {
  for (int i = 0; i < a.problem.stop_ids; ++i) {
    if (a.buffers.stop_ids[i] == token) return true;
  }
  return false;
}

__device__ inline bool can_go_on(const Arguments& a, const Request& r) {
  for (int k = 0; k < a.problem.rows; ++k) {
    if (a.buffers.not_finite[r.first_row + k] >= 0) return false;
  }
  return r.extends_shared(a.problem) ? r.shared < a.problem.max_shared : r.own < a.problem.max_tail;
}

// By one thread. `count` candidates are ranked, and those behind which equal ones may stand.
__device__ inline bool decide(const Arguments& a, const Plan& plan, int count) {
  const NextRowsProblem& p = a.problem;
  if (count < p.candidates) return false;
  for (int i = 0; p.candidates > 1 && i + 1 < count; ++i) {
    const auto at = static_cast<unsigned>(i);
    if (plan.scores.load(at) == plan.scores.load(at + 1)) return false;
  }
  int going_on = 0;
  for (int i = 0; i < p.candidates && going_on < p.rows; ++i) {
    if (ends(a, plan.tokens.load(static_cast<unsigned>(i)))) continue;
    plan.chosen.store(static_cast<unsigned>(going_on++), i);
  }
  return going_on == p.rows;
}

// The one row's best token, of equal ones the lowest.
__device__ inline int take_best(const Arguments& a, const Request& r, const Plan& plan) {
  const std::int32_t token = a.buffers.best_tokens[r.first_row * a.problem.top];
  if (dev::thread() == 0) {
    plan.scores.store(0, 0.0f);
    plan.rows.store(0, 0);
    plan.tokens.store(0, token);
  }
  return token < 0 ? 0 : 1;
}

// The rows that go on, each by a thread.
__device__ inline void write_row(const Arguments& a, const Request& r, const Plan& plan, int k) {
  const NextRowsBuffers& b = a.buffers;
  const auto candidate = static_cast<unsigned>(plan.chosen.load(static_cast<unsigned>(k)));
  const int row = r.first_row + k;
  b.tokens[row] = plan.tokens.load(candidate);
  b.positions[row] += 1;
  b.newest[row] = b.new_slots[row];
  b.chosen_sources[row] = plan.rows.load(candidate);
  b.chosen_tokens[row] = plan.tokens.load(candidate);
  if (b.chosen_scores != nullptr) b.chosen_scores[row] = plan.scores.load(candidate);
}

__device__ inline void write_none(const Arguments& a, int row) {
  const NextRowsBuffers& b = a.buffers;
  b.chosen_sources[row] = b.chosen_tokens[row] = -1;
  if (b.chosen_scores != nullptr) b.chosen_scores[row] = b.scores[row];
}

// A thread has a column of the table: the slots of all rows at one position, the last of which are
// new.
__device__ inline void reorder_slots(const Arguments& a, const Request& r, const Plan& plan) {
  const NextRowsProblem& p = a.problem;
  const NextRowsBuffers& b = a.buffers;
  const std::int64_t first = static_cast<std::int64_t>(r.first_row) * p.max_tail;
  for (int t = static_cast<int>(dev::thread()); t <= r.own;
       t += static_cast<int>(kRankingThreads)) {
    std::int32_t slots[kMaxRows];
#pragma unroll
    for (int k = 0; k < kMaxRows; ++k) {
      if (k >= p.rows) continue;
      const auto candidate = static_cast<unsigned>(plan.chosen.load(static_cast<unsigned>(k)));
      const int source = plan.rows.load(candidate);
      slots[k] =
          t < r.own ? b.tail_slots[first + source * p.max_tail + t] : b.new_slots[r.first_row + k];
    }
#pragma unroll
    for (int k = 0; k < kMaxRows; ++k) {
      if (k < p.rows) b.tail_slots[first + k * p.max_tail + t] = slots[k];
    }
  }
}

__global__ void __launch_bounds__(kRankingThreads) next_rows_kernel(Arguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const NextRowsProblem& p = a.problem;
  const NextRowsBuffers& b = a.buffers;
  const int number = static_cast<int>(dev::block_x()), thread = static_cast<int>(dev::thread());
  const Request r{number, number * p.rows, b.lengths[2 * number], b.lengths[2 * number + 1]};
  const Plan plan = shared_plan();
  const int count = p.candidates == 1 ? take_best(a, r, plan) : rank(a, r, plan);
  if (thread == 0) plan.decided.store(0, can_go_on(a, r) && decide(a, plan, count) ? 1 : 0);
  dev::sync_threads();  // all have read the lengths, too
  const bool decided = plan.decided.load() != 0;
  if (thread < p.rows) {
    if (decided) {
      write_row(a, r, plan, thread);
    } else {
      write_none(a, r.first_row + thread);
    }
  }
  if (!decided) return;
  if (!r.extends_shared(p)) reorder_slots(a, r, plan);
  if (thread != 0) return;
  if (r.extends_shared(p)) {
    b.shared_slots[static_cast<std::int64_t>(number) * p.max_shared + r.shared] =
        b.new_slots[r.first_row];
    b.lengths[2 * number] = r.shared + 1;
  } else {
    b.lengths[2 * number + 1] = r.own + 1;
  }
}

}  // namespace

const char* next_rows_refuse(const NextRowsProblem& p) {
  if (p.rows < 1 || p.rows > kMaxRows) return "there are 1 to 16 rows";
  if (p.candidates == 1 && p.rows == 1) return p.top < 1 ? "the best token is listed" : nullptr;
  if (p.candidates < p.rows || p.candidates > kMaxCandidates) {
    return "at least a candidate for each row is looked at, and at most 63";
  }
  return p.top <= p.candidates ? "one more is listed than candidates are looked at" : nullptr;
}

int choose_next_rows(const NextRowsProblem& problem, const NextRowsBuffers& buffers, void* stream,
                     bool overlaps_previous) {
  if (problem.requests == 0) return 0;
  dev::LaunchConfig config;
  config.blocks.x = static_cast<unsigned>(problem.requests);
  config.threads = kRankingThreads;
  config.shared_bytes = Plan::kBytes;
  config.stream = stream;
  config.overlaps_previous = overlaps_previous;
  return dev::launch(config, next_rows_kernel, Arguments{problem, buffers});
}

}  // namespace instructblip::kernels::cuda
