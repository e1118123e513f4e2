#include "pipeline/model.h"

#include <ATen/ops/cat.h>

#include <utility>

#include "core/boundary.h"
#include "nn/pixel_values.h"
#include "pipeline/batch.h"
#include "pipeline/encoded_pictures.h"
#include "pipeline/explanation.h"
#include "pipeline/prepare.h"
#include "pipeline/ranking.h"
#include "pipeline/running_engine.h"
#include "pipeline/scoring.h"
#include "pipeline/tensors.h"
#include "pipeline/walk.h"

namespace instructblip {
namespace {

// On the runtime's thread: the pixels of a request and what else its features' file says.
void add_pictures(const ModelParts& model, std::span<const at::Tensor> views,
                  std::span<const PictureSize> sizes, std::vector<NamedTensor>& tensors) {
  std::vector<std::int64_t> counts;
  for (const at::Tensor& picture : views) counts.push_back(picture.size(0));
  const nn::PixelValues values(*model.runtime, model.image_processor.values());
  tensors.push_back(to_named("pixel_values", values.here(at::cat(views))));
  if (auto places = to_named(sizes, counts)) tensors.push_back(std::move(*places));
  if (auto mode = to_named(model.info.compat)) tensors.push_back(std::move(*mode));
}

}  // namespace

const Stages& ModelParts::loaded() const {
  if (stages) return *stages;
  throw Error(ErrorCode::invalid_argument,
              "the pipeline was loaded without weights, expected them for all but info() and "
              "tokenize()",
              "load it with LoadOptions::weights set");
}

Generation Model::generate(const Request& request, const Control& control) const {
  return at_boundary([&] { return answer(parts_, prepare(parts_, request, {control})); });
}

std::vector<Response> Model::generate(std::span<const Request> requests,
                                      const Control& control) const {
  return at_boundary([&] { return answer_all(parts_, requests, control); });
}

std::vector<RankedCandidate> Model::rank(const Request& request, Texts candidates,
                                         const RankOptions& options, const Control& control) const {
  return at_boundary([&] {
    Ranking ranking(parts_, request, candidates, options);
    while (const auto job = ranking.next(control)) ranking.add(answer(parts_, job));
    return ranking.result();
  });
}

Scores Model::score(const Request& request, Texts answers, const ScoreOptions& options,
                    const Control& control) const {
  return at_boundary([&] { return score_answers(parts_, request, answers, options, control); });
}

ScoreMatrix Model::score_matrix(std::span<const Pictures> pictures, Texts texts,
                                const MatrixOptions& options, const Control& control) const {
  return at_boundary([&] { return make_score_matrix(parts_, pictures, texts, options, control); });
}

Explanation Model::explain(const Request& request, const ExplainOptions& options,
                           const Control& control) const {
  return at_boundary([&] { return explain_answer(parts_, request, options, control); });
}

ImageFeatures Model::encode(const Pictures& pictures) const {
  return at_boundary([&] { return encode_pictures(parts_, pictures); });
}

std::vector<NamedTensor> Model::features(const Pictures& pictures,
                                         std::optional<Text> instruction) const {
  return at_boundary([&] {
    std::shared_ptr<Job> job;  // none: the vision encoder alone is asked
    if (instruction) job = prepare(parts_, {pictures, std::string(*instruction)}, {});
    std::vector<NamedTensor> tensors;
    if (!pictures.features()) {
      const auto views = job ? job->views : views_of(parts_, pictures.images());
      parts_.loaded();  // refuses a model without weights
      parts_.runtime->run(
          [&] { add_pictures(parts_, views, sizes_of(parts_, pictures), tensors); });
      if (auto mark = video_mark(pictures.are_frames())) tensors.push_back(std::move(*mark));
    }
    if (!job) {
      const ImageFeatures features = encode_pictures(parts_, pictures);
      parts_.runtime->run([&] { tensors.push_back(to_named("vision", encoded(features).rows())); });
      return tensors;
    }
    job->on_stage = [&](const char* name, const at::Tensor& output) {
      tensors.push_back(to_named(name, output));
    };
    if (job->goes_on()) Walk(parts_).read_prompts({job.get()});
    if (job->error) std::rethrow_exception(job->error);
    return tensors;
  });
}

TokenizedText Model::tokenize(Text text) const {
  return at_boundary([&] {
    Instruction instruction = parts_.prompts.read(text);
    return TokenizedText{std::move(instruction.language), std::move(instruction.qformer),
                         static_cast<int>(instruction.marks.size())};
  });
}

CacheReport Model::cache() const { return parts_.reader ? parts_.reader->usage() : CacheReport{}; }

Usage Model::usage() const {
  const ImageReader::Work work = parts_.reader ? parts_.reader->work() : ImageReader::Work{};
  return {.vision_views = work.views,
          .qformer_pictures = work.pictures,
          .prompts = parts_.counts->prompts,
          .prompt_rows = parts_.counts->prompt_rows,
          .step_rows = parts_.counts->step_rows};
}

std::unique_ptr<Engine::Impl> Model::start_engine(const EngineOptions& options) const {
  return at_boundary([&] { return run_engine({shared_from_this(), &parts_}, options); });
}

}  // namespace instructblip
