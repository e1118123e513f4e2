#include "instructblip/engine.h"

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
#include "pipeline/impl.h"
#include "pipeline/job.h"
#include "pipeline/waiting_room.h"

namespace instructblip {
namespace {

Error ended() { return Error(ErrorCode::cancelled, "the engine was ended before the answer"); }

}  // namespace

struct Engine::Impl {
  struct Entry {
    std::shared_ptr<Job> job;
    std::promise<Response> promise;
    WaitingRoom::Place place;  // until it is admitted
  };

  Impl(std::shared_ptr<const Pipeline::Impl> model, const EngineOptions& asked)
      : pipeline(std::move(model)),
        options(asked),
        room(options.max_waiting, options.max_waiting_bytes),
        batch(*pipeline) {}

  void loop();
  // Moves what fits beside what runs into the batch; gives back what has ended while it waited.
  // With the lock held.
  std::vector<Entry> admit();
  void answer(Entry entry);
  // Admits, moves the batch by a pass and answers what has ended; false: the engine is closing.
  bool round();
  void end_running(const std::exception_ptr& why);
  void end_waiting(const std::exception_ptr& why);

  std::shared_ptr<const Pipeline::Impl> pipeline;
  EngineOptions options;
  WaitingRoom room;

  mutable std::mutex mutex;  // of what follows, up to the thread's own
  std::condition_variable arrived;
  std::deque<Entry> waiting;
  EngineStats stats;
  bool closing = false;

  // Of the engine's thread.
  Batch batch;
  std::unordered_map<const Job*, Entry> running;

  std::thread thread;  // last: it uses everything else
};

std::vector<Engine::Impl::Entry> Engine::Impl::admit() {
  // All that wait are asked in each round: a deadline or a stop does not wait with them.
  const auto first_over = std::stable_partition(
      waiting.begin(), waiting.end(), [](const Entry& entry) { return entry.job->goes_on(); });
  std::vector<Entry> over(std::make_move_iterator(first_over),
                          std::make_move_iterator(waiting.end()));
  waiting.erase(first_over, waiting.end());
  while (!waiting.empty() && batch.has_room(*waiting.front().job, options.max_rows)) {
    const std::shared_ptr<Job> job = waiting.front().job;
    batch.admit(job);
    waiting.front().place.give_back();
    running.emplace(job.get(), std::move(waiting.front()));
    waiting.pop_front();
  }
  stats.running = batch.jobs();
  return over;
}

void Engine::Impl::answer(Entry entry) {
  entry.place.give_back();
  Response response;
  std::exception_ptr thrown;
  try {
    response = to_response(*entry.job);
  } catch (...) {
    thrown = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex);
    ++(response.generation ? stats.answered : stats.failed);
    stats.running = batch.jobs();
  }
  if (thrown) {
    entry.promise.set_exception(thrown);
  } else {
    entry.promise.set_value(std::move(response));
  }
}

void Engine::Impl::end_running(const std::exception_ptr& why) {
  std::vector<Entry> left;
  for (auto& [job, entry] : running) left.push_back(std::move(entry));
  running.clear();
  batch.clear();
  for (Entry& entry : left) {
    entry.job->error = why;
    answer(std::move(entry));
  }
}

void Engine::Impl::end_waiting(const std::exception_ptr& why) {
  std::deque<Entry> left;
  {
    const std::lock_guard lock(mutex);
    left.swap(waiting);
  }
  for (Entry& entry : left) {
    entry.job->error = why;
    answer(std::move(entry));
  }
}

bool Engine::Impl::round() {
  std::vector<Entry> over;
  {
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return closing || !waiting.empty() || !batch.empty(); });
    if (closing) return false;
    over = admit();
    if (!batch.empty()) {
      ++stats.passes;
      stats.pass_rows += batch.rows();
    }
  }
  for (Entry& entry : over) answer(std::move(entry));
  for (const std::shared_ptr<Job>& job : batch.advance()) {
    answer(std::move(running.extract(job.get()).mapped()));
  }
  return true;
}

void Engine::Impl::loop() {
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

Engine::Engine(const Pipeline& pipeline, const EngineOptions& options) {
  guarded([&] {
    if (options.max_rows < 1 || options.max_waiting < 1 || options.max_waiting_bytes < 1) {
      throw Error(ErrorCode::invalid_argument,
                  "engine: expected max_rows, max_waiting and max_waiting_bytes of at least 1, "
                  "got " +
                      std::to_string(options.max_rows) + ", " +
                      std::to_string(options.max_waiting) + " and " +
                      std::to_string(options.max_waiting_bytes));
    }
    pipeline.impl_->model();  // throws where there are no weights
    impl_ = std::make_unique<Impl>(pipeline.impl_, options);
    impl_->thread = std::thread([this] { impl_->loop(); });
  });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->closing = true;
  }
  impl_->arrived.notify_all();
  impl_->thread.join();
}

std::future<Response> Engine::submit(const Request& request, const Control& control) {
  return guarded([&] {
    // Before the work of resizing pictures, and before their memory.
    WaitingRoom::Place place = impl_->room.take(impl_->pipeline->pixel_bytes(request));
    Impl::Entry entry{impl_->pipeline->job(request, control, 0), {}, std::move(place)};
    std::future<Response> response = entry.promise.get_future();
    {
      const std::lock_guard lock(impl_->mutex);
      if (impl_->closing) throw ended();
      impl_->waiting.push_back(std::move(entry));
    }
    impl_->arrived.notify_all();
    return response;
  });
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(impl_->mutex);
  EngineStats stats = impl_->stats;
  stats.waiting = impl_->waiting.size();
  stats.waiting_bytes = impl_->room.bytes();
  stats.refused = impl_->room.refused();
  return stats;
}

}  // namespace instructblip
