#include "pipeline/running_engine.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/boundary.h"
#include "pipeline/batch.h"
#include "pipeline/encoded_pictures.h"
#include "pipeline/job.h"
#include "pipeline/prepare.h"
#include "pipeline/ranking.h"
#include "pipeline/waiting_room.h"

namespace instructblip {
namespace {

Error ended() { return Error(ErrorCode::cancelled, "the engine was ended before the answer"); }

// An outcome and what a callback threw, of whatever `work` gives or throws.
template <typename Value, typename Work>
std::pair<Outcome<Value>, std::exception_ptr> outcome_of(const Work& work) {
  try {
    return {{at_boundary(work), {}}, nullptr};
  } catch (const Error& error) {
    return {{{}, error}, nullptr};
  } catch (...) {  // the caller's own
    return {{}, std::current_exception()};
  }
}

// See Engine.
class RunningEngine final : public Engine::Impl {
 public:
  using Ranked = Engine::Ranked;

  RunningEngine(std::shared_ptr<const ModelParts> model, const EngineOptions& asked)
      : model_(std::move(model)),
        max_rows_(asked.max_rows.value_or(rows_of_a_batch(*model_->runtime))),
        room_(asked.max_waiting, asked.max_waiting_bytes),
        batch_(*model_),
        thread_([this] { loop(); }) {}
  ~RunningEngine() override;

  void submit(const Request& request, const Control& control, Done<Generation> done) override;
  void rank(const Request& request, std::span<const std::string> candidates,
            const RankOptions& options, const Control& control, Done<Ranked> done) override;
  void encode(const Pictures& pictures, Done<ImageFeatures> done) override;
  EngineStats stats() const override;

 private:
  struct Entry {
    std::shared_ptr<Job> job;
    std::function<void(Job& job)> end;  // called once, when the job has ended
    WaitingRoom::Place place;           // until it is admitted
  };
  // Pictures that wait for the vision encoder.
  struct Encoding {
    std::function<ImageFeatures()> work;
    Done<ImageFeatures> done;
    WaitingRoom::Place place;
  };

  // Throws where the engine is ending.
  void enqueue(Entry entry);
  // Ends a group of candidates: the next one takes its place, or the ranking is complete.
  void end_group(const std::shared_ptr<Ranking>& ranking, const Control& control,
                 const Done<Ranked>& done, Job& job);
  void encode_one(Encoding encoding);
  void loop();
  // Moves what fits beside what runs into the batch; gives back what has ended while it waited.
  // With the lock held.
  std::vector<Entry> admit();
  void answer(Entry entry);
  void count(bool failed);
  // Admits, moves the batch by a pass and answers what has ended; false: the engine is closing.
  bool round();
  void end_running(const std::exception_ptr& why);
  void end_waiting(const std::exception_ptr& why);

  std::shared_ptr<const ModelParts> model_;
  std::size_t max_rows_;
  WaitingRoom room_;

  mutable std::mutex mutex_;  // guards what follows, up to closing_
  std::condition_variable arrived_;
  std::deque<Entry> waiting_;
  std::deque<Encoding> encodings_;
  EngineStats stats_;
  bool closing_ = false;

  // Used by the engine's thread alone.
  Batch batch_;
  std::unordered_map<const Job*, Entry> running_;

  std::thread thread_;  // last: it uses everything else
};

std::vector<RunningEngine::Entry> RunningEngine::admit() {
  // All that wait are asked in each round: a deadline or a stop does not wait with them.
  const auto first_over = std::stable_partition(
      waiting_.begin(), waiting_.end(), [](const Entry& entry) { return entry.job->goes_on(); });
  std::vector<Entry> over(std::make_move_iterator(first_over),
                          std::make_move_iterator(waiting_.end()));
  waiting_.erase(first_over, waiting_.end());
  while (!waiting_.empty() && batch_.has_room(*waiting_.front().job, max_rows_)) {
    const std::shared_ptr<Job> job = waiting_.front().job;
    batch_.admit(job);
    waiting_.front().place.give_back();
    running_.emplace(job.get(), std::move(waiting_.front()));
    waiting_.pop_front();
  }
  stats_.running = batch_.jobs();
  return over;
}

void RunningEngine::answer(Entry entry) {
  entry.place.give_back();
  {
    const std::lock_guard lock(mutex_);
    stats_.running = batch_.jobs();
  }
  entry.end(*entry.job);
}

void RunningEngine::count(bool failed) {
  const std::lock_guard lock(mutex_);
  ++(failed ? stats_.failed : stats_.answered);
}

void RunningEngine::end_running(const std::exception_ptr& why) {
  std::vector<Entry> left;
  for (auto& [job, entry] : running_) left.push_back(std::move(entry));
  running_.clear();
  batch_.clear();
  for (Entry& entry : left) {
    entry.job->error = why;
    answer(std::move(entry));
  }
}

void RunningEngine::end_waiting(const std::exception_ptr& why) {
  std::deque<Entry> left;
  std::deque<Encoding> pictures;
  {
    const std::lock_guard lock(mutex_);
    left.swap(waiting_);
    pictures.swap(encodings_);
  }
  for (Entry& entry : left) {
    entry.job->error = why;
    answer(std::move(entry));
  }
  for (Encoding& encoding : pictures) encoding.done({{}, ended()}, nullptr);
}

bool RunningEngine::round() {
  std::vector<Entry> over;
  std::optional<Encoding> encoding;
  {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] {
      return closing_ || !waiting_.empty() || !encodings_.empty() || !batch_.empty();
    });
    if (closing_) return false;
    over = admit();
    if (!encodings_.empty()) {
      encoding = std::move(encodings_.front());
      encodings_.pop_front();
    }
    if (!batch_.empty()) {
      ++stats_.passes;
      stats_.pass_rows += batch_.rows();
    }
  }
  for (Entry& entry : over) answer(std::move(entry));
  if (encoding) encode_one(std::move(*encoding));
  for (const std::shared_ptr<Job>& job : batch_.advance()) {
    answer(std::move(running_.extract(job.get()).mapped()));
  }
  return true;
}

void RunningEngine::loop() {
  for (bool going_on = true; going_on;) {
    try {
      going_on = round();
    } catch (...) {  // no memory for a list of jobs: no one of them is to blame
      end_running(std::make_exception_ptr(Error(ErrorCode::out_of_memory, "out of memory")));
    }
  }
  const auto why = std::make_exception_ptr(ended());
  end_running(why);
  end_waiting(why);
}

RunningEngine::~RunningEngine() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_all();
  thread_.join();
}

void RunningEngine::enqueue(Entry entry) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) throw ended();
    waiting_.push_back(std::move(entry));
  }
  arrived_.notify_all();
}

void RunningEngine::submit(const Request& request, const Control& control, Done<Generation> done) {
  at_boundary([&] {
    // Before the work of resizing pictures, and before their memory.
    WaitingRoom::Place place = room_.take(view_bytes(*model_, request.pictures));
    const auto end = [this, done = std::move(done)](Job& job) {
      auto [outcome, thrown] = outcome_of<Generation>([&] { return answer_of(job); });
      count(!outcome.value);
      done(std::move(outcome), thrown);
    };
    enqueue({prepare(*model_, request, {control}), end, std::move(place)});
  });
}

void RunningEngine::rank(const Request& request, std::span<const std::string> candidates,
                         const RankOptions& options, const Control& control, Done<Ranked> done) {
  at_boundary([&] {
    WaitingRoom::Place place = room_.take(view_bytes(*model_, request.pictures));
    const auto ranking = std::make_shared<Ranking>(*model_, request, candidates, options);
    const auto end = [this, ranking, control, done = std::move(done)](Job& job) {
      end_group(ranking, control, done, job);
    };
    enqueue({ranking->next(control), end, std::move(place)});
  });
}

void RunningEngine::end_group(const std::shared_ptr<Ranking>& ranking, const Control& control,
                              const Done<Ranked>& done, Job& job) {
  std::shared_ptr<Job> next;
  auto [outcome, thrown] = outcome_of<Ranked>([&] {
    ranking->add(answer_of(job));
    next = ranking->next(control);
    return next ? Ranked() : ranking->result();
  });
  if (next) {
    const auto end = [this, ranking, control, done](Job& ended) {
      end_group(ranking, control, done, ended);
    };
    const std::lock_guard lock(mutex_);  // on the engine's own thread: it cannot be ending
    waiting_.push_front({std::move(next), end, WaitingRoom::Place()});
    return;
  }
  count(!outcome.value);
  done(std::move(outcome), thrown);
}

void RunningEngine::encode(const Pictures& pictures, Done<ImageFeatures> done) {
  at_boundary([&] {
    WaitingRoom::Place place = room_.take(view_bytes(*model_, pictures));
    Encoding encoding{encoding_of(*model_, pictures), std::move(done), std::move(place)};
    {
      const std::lock_guard lock(mutex_);
      if (closing_) throw ended();
      encodings_.push_back(std::move(encoding));
    }
    arrived_.notify_all();
  });
}

void RunningEngine::encode_one(Encoding encoding) {
  auto [outcome, thrown] = outcome_of<ImageFeatures>(encoding.work);
  encoding.place.give_back();
  count(!outcome.value);
  encoding.done(std::move(outcome), thrown);
}

EngineStats RunningEngine::stats() const {
  const std::lock_guard lock(mutex_);
  EngineStats stats = stats_;
  stats.waiting = waiting_.size() + encodings_.size();
  stats.waiting_bytes = room_.bytes();
  stats.refused = room_.refused();
  return stats;
}

}  // namespace

std::unique_ptr<Engine::Impl> run_engine(std::shared_ptr<const ModelParts> model,
                                         const EngineOptions& options) {
  model->runtime->require_thread();
  if (options.max_rows == 0 || options.max_waiting < 1 || options.max_waiting_bytes < 1) {
    throw Error(ErrorCode::invalid_argument,
                "engine: expected max_rows, max_waiting and max_waiting_bytes of at least 1, "
                "got " +
                    (options.max_rows ? std::to_string(*options.max_rows) : "nothing") + ", " +
                    std::to_string(options.max_waiting) + " and " +
                    std::to_string(options.max_waiting_bytes));
  }
  model->loaded();  // throws where there are no weights
  return std::make_unique<RunningEngine>(std::move(model), options);
}

}  // namespace instructblip
