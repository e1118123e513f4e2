#include "pipeline/running_engine.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "interface/guarded.h"
#include "pipeline/batch.h"
#include "pipeline/job.h"
#include "pipeline/waiting_room.h"

namespace instructblip {
namespace {

Error ended() { return Error(ErrorCode::cancelled, "the engine was ended before the answer"); }

// See Engine.
class RunningEngine final : public Engine::Impl {
 public:
  RunningEngine(std::shared_ptr<const Model> model, const EngineOptions& asked)
      : model_(std::move(model)),
        options_(asked),
        room_(options_.max_waiting, options_.max_waiting_bytes),
        batch_(*model_),
        thread_([this] { loop(); }) {}
  ~RunningEngine() override;

  std::future<Response> submit(const Request& request, const Control& control) override;
  EngineStats stats() const override;

 private:
  struct Entry {
    std::shared_ptr<Job> job;
    std::promise<Response> promise;
    WaitingRoom::Place place;  // until it is admitted
  };

  void loop();
  // Moves what fits beside what runs into the batch; gives back what has ended while it waited.
  // With the lock held.
  std::vector<Entry> admit();
  void answer(Entry entry);
  // Admits, moves the batch by a pass and answers what has ended; false: the engine is closing.
  bool round();
  void end_running(const std::exception_ptr& why);
  void end_waiting(const std::exception_ptr& why);

  std::shared_ptr<const Model> model_;
  EngineOptions options_;
  WaitingRoom room_;

  mutable std::mutex mutex_;  // guards what follows, up to closing_
  std::condition_variable arrived_;
  std::deque<Entry> waiting_;
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
  while (!waiting_.empty() && batch_.has_room(*waiting_.front().job, options_.max_rows)) {
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
  Response response;
  std::exception_ptr thrown;
  try {
    response = to_response(*entry.job);
  } catch (...) {
    thrown = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex_);
    ++(response.generation ? stats_.answered : stats_.failed);
    stats_.running = batch_.jobs();
  }
  if (thrown) {
    entry.promise.set_exception(thrown);
  } else {
    entry.promise.set_value(std::move(response));
  }
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
  {
    const std::lock_guard lock(mutex_);
    left.swap(waiting_);
  }
  for (Entry& entry : left) {
    entry.job->error = why;
    answer(std::move(entry));
  }
}

bool RunningEngine::round() {
  std::vector<Entry> over;
  {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return closing_ || !waiting_.empty() || !batch_.empty(); });
    if (closing_) return false;
    over = admit();
    if (!batch_.empty()) {
      ++stats_.passes;
      stats_.pass_rows += batch_.rows();
    }
  }
  for (Entry& entry : over) answer(std::move(entry));
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

std::future<Response> RunningEngine::submit(const Request& request, const Control& control) {
  return guarded([&] {
    // Before the work of resizing pictures, and before their memory.
    WaitingRoom::Place place = room_.take(model_->pixel_bytes(request));
    Entry entry{model_->job(request, control, 0), {}, std::move(place)};
    std::future<Response> response = entry.promise.get_future();
    {
      const std::lock_guard lock(mutex_);
      if (closing_) throw ended();
      waiting_.push_back(std::move(entry));
    }
    arrived_.notify_all();
    return response;
  });
}

EngineStats RunningEngine::stats() const {
  const std::lock_guard lock(mutex_);
  EngineStats stats = stats_;
  stats.waiting = waiting_.size();
  stats.waiting_bytes = room_.bytes();
  stats.refused = room_.refused();
  return stats;
}

}  // namespace

std::unique_ptr<Engine::Impl> run_engine(std::shared_ptr<const Model> model,
                                         const EngineOptions& options) {
  if (options.max_rows < 1 || options.max_waiting < 1 || options.max_waiting_bytes < 1) {
    throw Error(ErrorCode::invalid_argument,
                "engine: expected max_rows, max_waiting and max_waiting_bytes of at least 1, "
                "got " +
                    std::to_string(options.max_rows) + ", " + std::to_string(options.max_waiting) +
                    " and " + std::to_string(options.max_waiting_bytes));
  }
  model->loaded();  // throws where there are no weights
  return std::make_unique<RunningEngine>(std::move(model), options);
}

}  // namespace instructblip
