#include "pipeline/batch.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/prepare.h"

namespace instructblip {

std::size_t rows_of_a_batch(const nn::Runtime& runtime) {
  constexpr std::size_t kOnProcessor = 32, kOnDevice = 320;
  return runtime.device().is_cpu() ? kOnProcessor : kOnDevice;
}

void Batch::admit(std::shared_ptr<Job> job) { jobs_.push_back(std::move(job)); }

std::size_t Batch::rows() const {
  std::size_t rows = 0;
  for (const auto& job : jobs_) rows += job->rows();
  return rows;
}

void Batch::clear() {
  jobs_.clear();
  walk_.forget();
}

bool Batch::has_room(const Job& job, std::size_t max_rows) const {
  return empty() || rows() + job.rows() <= max_rows;
}

std::vector<std::shared_ptr<Job>> Batch::advance() {
  Walk::Jobs reading, writing;
  std::size_t prompt_rows = 0, pictures = 0;
  for (const auto& job : jobs_) {
    if (!job->goes_on()) continue;
    if (job->has_begun()) {
      writing.push_back(job.get());
      continue;
    }
    prompt_rows += job->prompt_rows();
    pictures += job->views.size();
    if (reading.empty() || (prompt_rows <= kPromptRowsOfAPass && pictures <= kPicturesOfAPass)) {
      reading.push_back(job.get());
    }
  }
  walk_.read_prompts(reading);
  walk_.step(writing, !reading.empty());

  std::vector<std::shared_ptr<Job>> ended;
  std::erase_if(jobs_, [&](const std::shared_ptr<Job>& job) {
    if (job->goes_on()) return false;
    ended.push_back(job);
    return true;
  });
  if (empty()) walk_.forget();
  return ended;
}

Generation answer(const ModelParts& model, const std::shared_ptr<Job>& job) {
  Batch batch(model);
  batch.admit(job);
  while (!batch.empty()) batch.advance();
  return answer_of(*job);
}

namespace {

// A job that is about to join a batch, and its place among the requests.
struct Joining {
  std::shared_ptr<Job> job;
  std::size_t request;
};

// Resizes the pictures of one after the other. One that fails has its error.
void add_pictures_of(const ModelParts& model, std::span<const Request> requests,
                     std::span<const Joining> joining) {
  for (const Joining& one : joining) {
    try {
      add_pictures(model, requests[one.request], *one.job);
    } catch (...) {
      one.job->error = std::current_exception();
    }
  }
}

}  // namespace

std::vector<Response> answer_all(const ModelParts& model, std::span<const Request> requests,
                                 const Control& control) {
  std::vector<Response> responses(requests.size());
  std::map<const Job*, std::size_t> places;  // in `responses`
  Batch batch(model);
  std::size_t made = 0;
  std::shared_ptr<Job> waiting;  // made, and not admitted yet
  // False: all have been admitted, or have failed before.
  const auto make_one = [&] {
    for (; !waiting && made < requests.size(); ++made) {
      try {
        waiting = prepare_text(model, requests[made], {control, made});
        places[waiting.get()] = made;
      } catch (const Error& error) {
        responses[made].error = error;
      }
    }
    return waiting != nullptr;
  };
  while (true) {
    std::vector<Joining> joining;
    while (make_one() && batch.has_room(*waiting, rows_of_a_batch(*model.runtime))) {
      batch.admit(waiting);
      joining.push_back({waiting, places.at(waiting.get())});
      waiting = nullptr;
    }
    if (batch.empty()) return responses;
    add_pictures_of(model, requests, joining);
    for (const std::shared_ptr<Job>& job : batch.advance()) {
      responses[places.extract(job.get()).mapped()] = to_response(*job);
    }
  }
}

}  // namespace instructblip
