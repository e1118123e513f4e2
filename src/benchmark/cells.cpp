#include "benchmark/cells.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <utility>

#include "benchmark/device_limits.h"
#include "benchmark/word_numbers.h"
#include "core/errors.h"
#include "core/stopwatch.h"
#include "nn/pixel_values.h"
#include "nn/runtime.h"
#include "pipeline/batch.h"
#include "pipeline/prepare.h"

namespace instructblip {
namespace {

// A photograph's size. Noise, since no stage looks at what it sees.
Image noise(int seed = 1) {
  constexpr int kWidth = 640, kHeight = 480;
  std::vector<std::uint8_t> rgb(std::size_t{3} * kWidth * kHeight);
  std::mt19937 random(static_cast<unsigned>(seed));
  std::ranges::generate(rgb, [&] { return static_cast<std::uint8_t>(random()); });
  return Image::adopt(std::move(rgb), kWidth, kHeight);
}

// Milliseconds of `work` on the runtime's thread, until the tensor that it makes is there.
template <typename Work>
double timed(const ModelParts& model, const Work& work) {
  return model.runtime->run([&] {
    Stopwatch watch;
    wait_for(work());
    return watch.lap_ms();
  });
}

class CellMaker {
 public:
  CellMaker(const ModelParts& model, const ModelConfig& config, const BenchmarkOptions& options)
      : model_(model),
        config_(config),
        options_(options),
        picture_(noise()),
        size_(model.image_processor.size_of(picture_)),
        views_(model.geometry.views_of(size_)),
        visual_(model.geometry.rows_of(size_)) {}

  std::vector<Cell> of(BenchmarkStage stage) const {
    switch (stage) {
      case BenchmarkStage::vision:
        return each(options_.pictures, [&](int n) { return vision(n); });
      case BenchmarkStage::qformer: {
        // Without an instruction the prompt makes no difference.
        const std::vector<int> prompts = reads_text() ? options_.prompts : std::vector<int>{0};
        return each(prompts, options_.pictures, [&](int p, int n) { return qformer(p, n); });
      }
      case BenchmarkStage::prefill:
        return each(options_.prompts, [&](int prompt) { return prefill(prompt); });
      case BenchmarkStage::decode:
        return decodes();
      case BenchmarkStage::first_token:
        return each(options_.prompts, [&](int p) { return answers({.stage = stage, .asked = p}); });
      case BenchmarkStage::end_to_end:
        return whole_answers();
    }
    return {};
  }

 private:
  template <typename Make>
  static std::vector<Cell> each(const std::vector<int>& values, const Make& make) {
    std::vector<Cell> cells;
    cells.reserve(values.size());
    for (const int value : values) cells.push_back(make(value));
    return cells;
  }
  template <typename Make>
  static std::vector<Cell> each(const std::vector<int>& outer, const std::vector<int>& inner,
                                const Make& make) {
    std::vector<Cell> cells;
    for (const int a : outer) {
      for (const int b : inner) cells.push_back(make(a, b));
    }
    return cells;
  }

  at::Tensor uploaded(const at::Tensor& tensor) const {
    return model_.runtime->run([&] { return model_.runtime->upload_rows(tensor); });
  }

  bool reads_text() const { return config_.qformer && config_.qformer->reads_instruction; }

  int prompt_of(int asked) const { return asked > 0 ? asked : static_cast<int>(visual_) + 32; }

  // Tokens of text of a prompt that holds the picture too.
  std::int64_t text_of(int prompt) const {
    const std::int64_t text = prompt - visual_;
    const std::int64_t most = reads_text() ? config_.qformer->max_positions : prompt;
    if (text >= 1 && text <= most) return text;
    throw Error(
        ErrorCode::invalid_argument,
        "prompt: expected more than the " + std::to_string(visual_) + " rows of the picture" +
            (text > most
                 ? " and at most " + std::to_string(most) + " of text, which the Q-Former reads"
                 : std::string()) +
            ", got " + std::to_string(prompt),
        "prefill and decode alone take any prompt");
  }

  std::vector<std::int32_t> ids(std::int64_t count, std::int64_t rows) const {
    return WordNumbers(rows, "", 0).encode(words(count));
  }

  costs::Cost reading_cost(int pictures, std::int64_t text) const {
    const Stages& stages = *model_.stages;
    const std::int64_t views = pictures * views_;
    const std::int64_t from = config_.qformer ? config_.qformer->hidden : stages.vision->width();
    costs::Cost cost = costs::projection_cost(
        config_.projection,
        {views * model_.geometry.rows_per_view(), from, model_.info.language_width});
    if (!config_.qformer) return cost;
    return cost + costs::qformer_cost(
                      *config_.qformer,
                      {.pictures = views, .positions = stages.vision->positions(), .text = text});
  }

  Cell vision(int pictures) const {
    const std::vector<Image> images(static_cast<std::size_t>(pictures), picture_);
    std::vector<at::Tensor> each_one;
    each_one.reserve(images.size());
    for (const Image& image : images) each_one.push_back(views_of(model_, {&image, 1}).front());
    const nn::PixelValues values(*model_.runtime, model_.image_processor.values());
    const at::Tensor pixels = model_.runtime->run([&] { return values(at::cat(each_one)); });
    Cell cell{.row = {.stage = BenchmarkStage::vision, .rows = pictures},
              .costs = {costs::vision_cost(config_.vision, pixels.size(0))}};
    cell.sample = [&model = model_, pixels] {
      return timed(model, [&] { return model.stages->vision->forward(pixels); });
    };
    return cell;
  }

  Cell qformer(int asked, int pictures) const {
    const int prompt = reads_text() ? prompt_of(asked) : 0;
    const std::int64_t text = reads_text() ? text_of(prompt) : 0;
    Cell cell{.row = {.stage = BenchmarkStage::qformer, .rows = pictures, .prompt = prompt},
              .costs = {reading_cost(pictures, text)}};
    const std::int64_t views = pictures * views_;
    const VisionEncoder& encoder = *model_.stages->vision;
    const at::Tensor visual =
        uploaded(at::randn({views, encoder.positions(), encoder.width()}, nn::host(at::kFloat)));
    const auto instruction =
        text > 0 ? ids(text, config_.qformer->vocabulary) : std::vector<std::int32_t>();
    const std::vector<PictureSize> sizes(static_cast<std::size_t>(pictures), size_);
    cell.sample = [&model = model_, visual, instruction, sizes] {
      const std::vector<QFormer::Ids> instructions(static_cast<std::size_t>(visual.size(0)),
                                                   instruction);
      const auto& former = model.stages->qformer;
      return timed(model, [&] {
        const Projection& projection = *model.stages->projection;
        return projection.arrange(
            projection.forward(former ? former->forward_each(instructions, visual) : visual),
            sizes);
      });
    };
    return cell;
  }

  using Ids = std::vector<std::int32_t>;

  struct Begun {
    std::unique_ptr<LanguageState> state;
    at::Tensor logits;
  };
  static Begun begun(const LanguageModel& language, const Ids& prompt) {
    Begun begun{language.start(language.embed(prompt)), {}};
    LanguageState* const states[] = {begun.state.get()};
    begun.logits = language.prefill(states);
    return begun;
  }

  Cell prefill(int asked) const {
    const int prompt = prompt_of(asked);
    Cell cell{.row = {.stage = BenchmarkStage::prefill, .prompt = prompt},
              .costs = costs::prefill_costs(config_.text, prompt)};
    const Ids tokens = ids(prompt, model_.info.vocabulary);
    cell.sample = [&model = model_, tokens] {
      return timed(model, [&] { return begun(*model.stages->language, tokens).logits; });
    };
    return cell;
  }

  costs::Cost step_cost(int prompt, int rows, int before) const {
    return costs::step_cost(config_.text, {.rows = rows, .prompt = prompt, .before = before});
  }

  std::vector<Cell> decodes() const {
    std::vector<Cell> cells;
    for (const int steps : options_.new_tokens) {
      const auto some = each(options_.prompts, options_.rows,
                             [&](int prompt, int rows) { return decode(prompt, rows, steps); });
      cells.insert(cells.end(), some.begin(), some.end());
    }
    return cells;
  }

  Cell decode(int asked, int rows, int steps) const {
    const int prompt = prompt_of(asked);
    costs::Cost all;
    for (int i = 0; i < steps; ++i) all += step_cost(prompt, rows, i);
    Cell cell{.row = {.stage = BenchmarkStage::decode,
                      .rows = rows,
                      .prompt = prompt,
                      .new_tokens = steps},
              .costs = {costs::times(all, 1.0 / steps)}};
    const Ids tokens = ids(prompt, model_.info.vocabulary);
    const Ids next = ids(rows, model_.info.vocabulary);
    cell.sample = [&model = model_, tokens, next, steps] {
      return model.runtime->run([&] {
        const LanguageModel& language = *model.stages->language;
        const Begun prompt_read = begun(language, tokens);
        wait_for(prompt_read.logits);
        Ids sources(next.size(), 0);  // the prompt
        Stopwatch watch;
        for (int i = 0; i < steps; ++i) {
          // As a search has it: the next token follows from the logits.
          wait_for(
              language.step(std::vector<LanguageStep>{{prompt_read.state.get(), sources, next}})
                  .rows);
          std::iota(sources.begin(), sources.end(), 0);
        }
        return watch.lap_ms() / steps;
      });
    };
    return cell;
  }

  std::vector<Cell> whole_answers() const {
    std::vector<Cell> cells;
    for (const int requests : options_.requests) {
      for (const int prompt : options_.prompts) {
        for (const int rows : options_.rows) {
          for (const int tokens : options_.new_tokens) {
            cells.push_back(answers({BenchmarkStage::end_to_end, prompt, rows, requests, tokens}));
          }
        }
      }
    }
    return cells;
  }

  // What requests to answer together, each about a picture of its own.
  struct Answers {
    BenchmarkStage stage;
    int asked, rows = 1, requests = 1, new_tokens = 1;
  };

  std::vector<Request> requests_of(const Answers& of, std::int64_t text) const {
    std::vector<Request> requests;
    for (int i = 0; i < of.requests; ++i) {
      Request& request = requests.emplace_back();
      request.pictures = noise(i + 1);
      request.instruction =
          config_.prompt.chat ? words(text + 1, config_.prompt.image_marker) : words(text);
      request.options.num_beams = of.rows;
      request.options.max_new_tokens = request.options.min_new_tokens = of.new_tokens;
    }
    return requests;
  }

  // Matrices are read once for all requests, whatever else each has to itself.
  std::vector<costs::Cost> answers_costs(const Answers& of, int prompt, std::int64_t text) const {
    std::vector<costs::Cost> written = costs::prefill_costs(config_.text, prompt);
    for (int i = 0; i + 1 < of.new_tokens; ++i) written.push_back(step_cost(prompt, of.rows, i));
    std::vector<costs::Cost> all = {costs::vision_cost(config_.vision, views_ * of.requests),
                                    reading_cost(of.requests, reads_text() ? text : 0)};
    for (const costs::Cost& one : written) {
      all.push_back(costs::shared_by(one, static_cast<double>(of.requests)));
    }
    return all;
  }

  Cell answers(const Answers& of) const {
    const int prompt = prompt_of(of.asked);
    const std::int64_t text = text_of(prompt);
    Cell cell{.row = {.stage = of.stage,
                      .rows = of.rows,
                      .prompt = prompt,
                      .new_tokens = of.new_tokens,
                      .requests = of.requests},
              .costs = answers_costs(of, prompt, text)};
    cell.answer = std::make_shared<Cell::Answer>();
    cell.sample = [&model = model_, requests = requests_of(of, text), answer = cell.answer] {
      Stopwatch watch;
      const std::vector<Response> responses = answer_all(model, requests, {});
      const double ms = watch.lap_ms();
      for (const Response& response : responses) {
        if (response.error) throw *response.error;
      }
      answer->tokens = responses.front().generation->tokens();
      answer->timings.push_back(responses.front().generation->timings);
      return ms;
    };
    return cell;
  }

  const ModelParts& model_;
  const ModelConfig& config_;
  const BenchmarkOptions& options_;
  Image picture_;
  PictureSize size_;
  std::int64_t views_;   // the encoder is shown of it
  std::int64_t visual_;  // its rows of the prompt
};

// The value at a share of sorted ones, between neighbours where it falls between them.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], at - static_cast<double>(below));
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return quantile(values, 0.5);
}

// Those of the last `samples`: the others warmed up.
Timings medians(std::span<const Timings> all, std::size_t samples) {
  const auto counted = all.last(samples);
  Timings medians;
  for (double Timings::*const part : {&Timings::image, &Timings::vision, &Timings::qformer,
                                      &Timings::prefill, &Timings::decode, &Timings::total}) {
    std::vector<double> each;
    for (const Timings& timings : counted) each.push_back(timings.*part);
    medians.*part = median(std::move(each));
  }
  return medians;
}

}  // namespace

std::vector<Cell> cells_of(const ModelParts& model, const ModelConfig& config,
                           const BenchmarkOptions& options) {
  const CellMaker maker(model, config, options);
  std::vector<Cell> cells;
  for (const BenchmarkStage stage : options.stages) {
    for (Cell& cell : maker.of(stage)) cells.push_back(std::move(cell));
  }
  return cells;
}

void summarise(Cell& cell) {
  std::vector<double> sorted = cell.ms;
  std::ranges::sort(sorted);
  BenchmarkRow& row = cell.row;
  if (cell.answer) {
    row.answer = cell.answer->tokens;
    row.parts = medians(cell.answer->timings, cell.ms.size());
  }
  row.samples = static_cast<int>(sorted.size());
  row.median_ms = quantile(sorted, 0.5);
  row.least_ms = sorted.front();
  row.spread = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 2 / row.median_ms;
}

}  // namespace instructblip
