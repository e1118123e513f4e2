#include "pipeline/job_stream.h"

#include <utility>

namespace instructblip {

void JobStream::put(std::shared_ptr<Job> job, Then then) {
  while (!batch_.has_room(*job, rows_)) advance();
  waiting_[job.get()] = std::move(then);
  batch_.admit(std::move(job));
}

void JobStream::finish() {
  while (!batch_.empty()) advance();
}

void JobStream::advance() {
  for (const std::shared_ptr<Job>& job : batch_.advance()) {
    waiting_.extract(job.get()).mapped()(answer_of(*job));
  }
}

}  // namespace instructblip
