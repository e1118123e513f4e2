#include "pipeline/walk.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "core/stopwatch.h"
#include "pipeline/pass_logits.h"

namespace instructblip {
namespace {

bool failed(const Job* job) { return job->error != nullptr; }

at::Tensor joined(const std::vector<at::Tensor>& tensors) {
  return tensors.size() == 1 ? tensors.front() : at::cat(tensors);
}

// Visual rows [1, R, L] for embeddings of `width` E, which is below L in some OPT configurations:
// the reference fills the places of the rows with as many of their numbers as go in, one run for
// all rows.
at::Tensor fitted(const at::Tensor& rows, std::int64_t width) {
  if (rows.size(2) == width) return rows;
  const std::int64_t count = rows.size(1);
  return rows.reshape({-1}).narrow(0, 0, count * width).view({1, count, width});
}

// Gives each job the logits of its step. The states have moved on: where this fails, the pass must
// not be repeated.
template <class Work>
void hand_out_by(const Work& work, std::span<Job* const> jobs) {
  try {
    work();
  } catch (...) {
    for (Job* job : jobs) job->error = nn::translated(std::current_exception());
  }
}

// A pass ahead, which nobody needs: whatever hinders it, the answers go on without. What is wrong
// with the device shows in them.
template <class Work>
std::unique_ptr<PassAhead> tried(const Work& work) {
  try {
    return work();
  } catch (const Error& error) {  // a kernel that was asked for, and does not fit
    if (error.code() == ErrorCode::invalid_argument) throw;
  } catch (...) {
  }
  return nullptr;
}

void hand_out(nn::Runtime& runtime, const at::Tensor& logits, std::span<Job* const> jobs) {
  std::vector<StepTaken> steps;
  for (const Job* job : jobs) steps.push_back({&job->step(), job->on_stage != nullptr});
  std::vector<LogitsOfStep> all = logits_of_steps(runtime, logits, steps);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->logits = std::move(all[i].logits);
    if (jobs[i]->on_stage) jobs[i]->show("logits", all[i].rows);
  }
}

void accept(const Walk::Jobs& jobs) {
  for (Job* job : jobs) {
    if (!failed(job) && job->logits) job->accept();
  }
}

}  // namespace

at::Tensor embedded(const LanguageModel& language, const Prompt& prompt, const at::Tensor& prefix) {
  const std::span<const std::int32_t> text = prompt.instruction.language;
  const at::Tensor visual =
      prompt.places.empty() ? prefix : fitted(prefix, language.width());  // [1, R, E]
  std::vector<at::Tensor> parts;
  const auto add_text = [&](std::size_t begin, std::size_t end) {
    if (begin < end) parts.push_back(language.embed(text.subspan(begin, end - begin)));
  };
  std::size_t words = 0;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < prompt.places.size(); ++i) {
    add_text(words, prompt.places[i]);
    parts.push_back(visual.narrow(1, rows, prompt.rows[i]));
    rows += prompt.rows[i];
    words = prompt.places[i];
  }
  add_text(words, text.size());
  return at::cat(parts, 1);
}

void Walk::read_prompts(const Jobs& jobs) {
  run(&Walk::encode, jobs);   // views [T, H, W, 3]           -> visual rows [T, P, V]
  run(&Walk::query, jobs);    // visual rows and instruction  -> queries [B, Q, D]
  run(&Walk::project, jobs);  // queries                      -> rows of the prompt [1, R, L]
  run(&Walk::embed, jobs);    // those rows and the words     -> prompt [1, P, L]
  run(&Walk::prefill, jobs);  // prompt                       -> logits [S, N]
  accept(jobs);               // logits                       -> token ids, by each job's search
}

void Walk::step(const Jobs& jobs, bool joined) {
  joined_ = joined;
  run(&Walk::decode, jobs);  // token ids -> logits [R of all, N]
  accept(jobs);
}

void Walk::run(Stage stage, const Jobs& jobs) {
  Jobs live;
  std::ranges::remove_copy_if(jobs, std::back_inserter(live), failed);
  if (live.empty()) return;
  try {
    model_.runtime->run([&] { (this->*stage)(live); });
  } catch (...) {
    if (live.size() == 1) {
      live.front()->error = std::current_exception();
      return;
    }
    joined_ = true;  // one by one, and together again
    for (Job* job : live) run(stage, {job});
  }
}

void Walk::encode(const Jobs& live) {
  Stopwatch watch;
  std::vector<at::Tensor> views;
  for (const Job* job : live) views.insert(views.end(), job->views.begin(), job->views.end());
  const std::vector<ImageReader::VisionOutput> outputs = model_.reader->encode(views);
  const double ms = watch.lap_ms();
  auto output = outputs.begin();
  for (Job* job : live) {
    if (job->views.empty()) continue;  // features were given, or done in a pass that failed
    std::vector<EncodedPicture> pictures;
    for (std::size_t i = 0; i < job->views.size(); ++i, ++output) {
      pictures.push_back(output->picture);
      if (!output->cache_hit) job->timings.vision = ms;
    }
    job->pictures = std::move(pictures);
    job->views.clear();
  }
}

void Walk::query(const Jobs& live) {
  Stopwatch watch;
  std::vector<QFormerInput> inputs;
  for (const Job* job : live) {
    for (const EncodedPicture& picture : job->pictures) {
      inputs.push_back({picture, job->prompt().instruction.qformer});
    }
  }
  const std::vector<ImageReader::QFormerOutput> outputs = model_.reader->run_qformer(inputs);
  const double ms = watch.lap_ms();
  auto output = outputs.begin();
  for (Job* job : live) {
    if (job->pictures.empty()) continue;  // done in a pass that failed
    std::vector<at::Tensor> visual, queries;
    for (std::size_t i = 0; i < job->pictures.size(); ++i, ++output) {
      visual.push_back(job->pictures[i].rows);
      queries.push_back(output->queries);
      if (!output->cache_hit) job->timings.qformer = ms;
    }
    job->queries = joined(queries);
    if (job->on_stage) job->show("vision", joined(visual));
    if (model_.stages->qformer) job->show("qformer", job->queries);
    job->pictures.clear();
  }
}

void Walk::project(const Jobs& live) {
  const Projection& projection = *model_.stages->projection;
  for (Job* job : live) {
    if (!job->queries.defined()) continue;  // done in a pass that failed
    Stopwatch watch;
    job->prefix = projection.arrange(projection.forward(job->queries), job->prompt().pictures);
    job->show("projection", job->prefix);
    job->queries = at::Tensor();
    job->timings.qformer += watch.lap_ms();
  }
}

void Walk::embed(const Jobs& live) {
  const LanguageModel& language = *model_.stages->language;
  for (Job* job : live) {
    if (job->state) continue;  // done in a pass that failed
    Stopwatch watch;
    job->state = language.start(embedded(language, job->prompt(), job->prefix));
    job->prefix = at::Tensor();
    job->timings.qformer += watch.lap_ms();
  }
}

void Walk::prefill(const Jobs& live) {
  Stopwatch watch;
  std::vector<LanguageState*> states;
  for (Job* job : live) states.push_back(job->state.get());
  const at::Tensor logits = model_.stages->language->prefill(states);
  for (const Job* job : live) {
    ++model_.counts->prompts;
    model_.counts->prompt_rows += static_cast<std::int64_t>(job->prompt_rows());
  }
  // A device has done its work then.
  hand_out_by([&] { hand_out(*model_.runtime, logits, live); }, live);
  const double ms = watch.lap_ms();
  for (Job* job : live) job->timings.prefill = ms;
}

void Walk::decode(const Jobs& live) {
  if (const auto pass = std::exchange(ahead_, nullptr)) {
    const Jobs landed = pass->asked_for_by(live);
    model_.counts->passes_in_vain += landed.empty() ? 1 : 0;
    if (!landed.empty()) return land(*pass, landed, landed.size() == live.size());
  }
  std::vector<LanguageStep> steps;
  std::int64_t rows = 0;
  for (Job* job : live) {
    const Step& step = job->step();
    if (step.back_to) job->state->cache.go_back(*step.back_to);
    if (step.kept) job->state->cache.keep(step.length);
    steps.push_back({job->state.get(), step.sources, step.tokens});
    rows += std::ssize(step.tokens);
  }
  // What the searches want to know of the logits is worked out by the threads that stand by.
  model_.runtime->step(rows, [&] {
    const StepLogits logits = model_.stages->language->step(steps);
    model_.counts->step_rows += logits.rows.size(0);
    const auto work = [&] {
      const auto pass =
          joined_ ? nullptr : tried([&] { return PassAhead::of(*model_.runtime, logits, live); });
      if (!pass) return hand_out(*model_.runtime, logits.rows, live);
      launch_behind(*pass, live);
      pass->hand_out(live);
    };
    hand_out_by(work, live);
  });
}

void Walk::land(PassAhead& pass, const Jobs& landed, bool all) {
  std::size_t begun = 0;
  try {
    for (; begun < landed.size(); ++begun) {
      landed[begun]->state->cache.begin_step(landed[begun]->step().sources);
    }
  } catch (...) {  // each is tried again, alone and from what its state was
    while (begun > 0) landed[--begun]->state->cache.undo();
    throw;
  }
  for (const Job* job : landed) {
    model_.counts->step_rows += static_cast<std::int64_t>(job->step().rows());
  }
  const auto work = [&] {
    if (all && !joined_) launch_behind(pass, landed);
    pass.hand_out(landed);
  };
  hand_out_by(work, landed);
}

void Walk::launch_behind(const PassAhead& pass, const Jobs& jobs) {
  ahead_ = tried(
      [&] { return pass.goes_on_for(jobs) ? pass.launch_next(jobs, ++launched_ahead_) : nullptr; });
  model_.counts->passes_ahead += ahead_ ? 1 : 0;
}

void Walk::forget() noexcept {
  if (!ahead_) return;
  ++model_.counts->passes_in_vain;
  try {
    model_.runtime->leave(std::shared_ptr<PassAhead>(std::move(ahead_)));
  } catch (...) {  // no memory: it has ended here
  }
}

}  // namespace instructblip
