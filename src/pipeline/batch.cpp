#include "pipeline/batch.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "interface/stopwatch.h"

namespace instructblip {
namespace {

bool failed(const Job* job) { return job->error != nullptr; }

// The rows of each job. The states have moved on: where this fails, the pass must not be repeated.
void hand_out(const at::Tensor& logits, std::span<Job* const> jobs, std::optional<double> prefill) {
  try {
    const at::Tensor rows = nn::to_host(logits).contiguous();
    std::int64_t first = 0;
    for (Job* job : jobs) {
      const auto count = static_cast<std::int64_t>(job->step().rows());
      job->logits = rows.narrow(0, first, count);
      if (prefill) job->timings.prefill = *prefill;
      first += count;
    }
  } catch (...) {
    for (Job* job : jobs) job->error = nn::translated(std::current_exception());
  }
}

}  // namespace

void Batch::admit(std::shared_ptr<Job> job) { jobs_.push_back(std::move(job)); }

std::size_t Batch::rows() const {
  std::size_t rows = 0;
  for (const auto& job : jobs_) rows += job->rows();
  return rows;
}

bool Batch::has_room(const Job& job, std::size_t max_rows) const {
  return empty() || rows() + job.rows() <= max_rows;
}

void Batch::isolating_failures(const Jobs& jobs, const std::function<void(const Jobs&)>& work) {
  Jobs live;
  std::ranges::remove_copy_if(jobs, std::back_inserter(live), failed);
  if (live.empty()) return;
  try {
    model_.runtime->run([&] { work(live); });
  } catch (...) {
    if (live.size() == 1) {
      live.front()->error = std::current_exception();
      return;
    }
    for (Job* job : live) isolating_failures({job}, work);
  }
}

std::vector<std::shared_ptr<Job>> Batch::advance() {
  Jobs reading, writing;
  std::size_t prompt_rows = 0, pictures = 0;
  for (const auto& job : jobs_) {
    if (!job->goes_on()) continue;
    if (job->has_begun()) {
      writing.push_back(job.get());
      continue;
    }
    prompt_rows += job->prompt_rows();
    pictures += job->pixels.size();
    if (reading.empty() || (prompt_rows <= kPromptRowsOfAPass && pictures <= kPicturesOfAPass)) {
      reading.push_back(job.get());
    }
  }
  read_prompts(reading);
  decode(writing);

  std::vector<std::shared_ptr<Job>> ended;
  std::erase_if(jobs_, [&](const std::shared_ptr<Job>& job) {
    if (job->goes_on()) return false;
    ended.push_back(job);
    return true;
  });
  return ended;
}

void Batch::read_prompts(const Jobs& jobs) {
  encode_pictures(jobs);
  run_qformer(jobs);
  isolating_failures(jobs, [&](const Jobs& live) {
    for (Job* job : live) {
      if (job->state) continue;  // done, before a pass that another job made fail
      Stopwatch watch;
      const at::Tensor rows =
          model_.embed(job->prompt(), model_.project(job->queries, job->prompt().pictures));
      job->state = model_.loaded().language->start(rows);
      job->queries = at::Tensor();
      job->timings.qformer += watch.lap_ms();
    }
  });
  decode(jobs);
}

void Batch::encode_pictures(const Jobs& jobs) {
  isolating_failures(jobs, [&](const Jobs& live) {
    Stopwatch watch;
    std::vector<at::Tensor> pixels;
    for (const Job* job : live) {
      pixels.insert(pixels.end(), job->pixels.begin(), job->pixels.end());
    }
    const std::vector<ImageReader::VisionOutput> all = model_.reader->encode(pixels);
    const double ms = watch.lap_ms();
    auto output = all.begin();
    for (Job* job : live) {
      if (job->pixels.empty()) continue;  // features were given
      std::vector<EncodedPicture> pictures;
      for (std::size_t i = 0; i < job->pixels.size(); ++i, ++output) {
        pictures.push_back(output->picture);
        if (!output->cache_hit) job->timings.vision = ms;
      }
      job->pictures = std::move(pictures);
      job->pixels.clear();
    }
  });
}

void Batch::run_qformer(const Jobs& jobs) {
  isolating_failures(jobs, [&](const Jobs& live) {
    Stopwatch watch;
    std::vector<QFormerInput> inputs;
    for (const Job* job : live) {
      for (const EncodedPicture& picture : job->pictures) {
        inputs.push_back({picture, job->prompt().instruction.qformer});
      }
    }
    const std::vector<ImageReader::QFormerOutput> all = model_.reader->run_qformer(inputs);
    const double ms = watch.lap_ms();
    auto output = all.begin();
    for (Job* job : live) {
      if (job->pictures.empty()) continue;  // done, before a pass that another job made fail
      std::vector<at::Tensor> queries;
      for (std::size_t i = 0; i < job->pictures.size(); ++i, ++output) {
        queries.push_back(output->queries);
        if (!output->cache_hit) job->timings.qformer = ms;
      }
      job->queries = queries.size() == 1 ? queries.front() : at::cat(queries);
      job->pictures.clear();
    }
  });
}

void Batch::decode(const Jobs& jobs) {
  isolating_failures(jobs, [&](const Jobs& live) {
    Stopwatch watch;
    const LanguageModel& language = *model_.loaded().language;
    std::vector<LanguageState*> states;
    std::vector<LanguageStep> steps;
    for (Job* job : live) {
      const Step step = job->step();
      states.push_back(job->state.get());
      steps.push_back({job->state.get(), step.sources, step.tokens});
    }
    const bool prompts = !live.front()->has_begun();
    const at::Tensor logits = prompts ? language.prefill(states) : language.step(steps);  // [R, N]
    hand_out(logits, live, prompts ? std::optional(watch.lap_ms()) : std::nullopt);
  });
  for (Job* job : jobs) {
    if (!failed(job)) job->accept();
  }
}

Generation answer(const Model& model, std::shared_ptr<Job> job) {
  Batch batch(model);
  batch.admit(job);
  while (!batch.empty()) batch.advance();
  if (job->error) std::rethrow_exception(job->error);
  return job->finish();
}

}  // namespace instructblip
