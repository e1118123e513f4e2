#include "pipeline/scoring.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "core/errors.h"
#include "core/limits.h"
#include "pipeline/batch.h"
#include "pipeline/job_stream.h"
#include "pipeline/prepare.h"
#include "pipeline/ranking.h"

namespace instructblip {
namespace {

constexpr std::string_view kPlace = "{}";

// From 1 to limits::kCandidates of `what`.
void check_count(std::size_t count, const std::string& what) {
  if (count > 0 && count <= limits::kCandidates) return;
  throw Error(ErrorCode::invalid_argument, "score: expected 1 to " +
                                               std::to_string(limits::kCandidates) + " " + what +
                                               ", got " + std::to_string(count));
}

// The instruction with `text` in each place for it.
std::string filled(const std::string& instruction, std::string_view text) {
  std::string out;
  std::size_t from = 0;
  for (std::size_t at = 0; (at = instruction.find(kPlace, from)) != std::string::npos;) {
    out.append(instruction, from, at - from).append(text);
    from = at + kPlace.size();
  }
  return out.append(instruction, from);
}

// Tokens that all texts begin with.
std::size_t shared_beginning(const std::vector<Prompt>& prompts) {
  const std::vector<std::int32_t>& first = prompts.front().instruction.language;
  std::size_t shared = first.size();
  for (const Prompt& prompt : prompts) {
    const std::vector<std::int32_t>& text = prompt.instruction.language;
    const auto differs =
        std::ranges::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(shared),
                              text.begin(), text.end());
    shared = static_cast<std::size_t>(differs.in1 - first.begin());
  }
  return shared;
}

// One row of a matrix: a picture with all texts.
class MatrixRow {
 public:
  MatrixRow(const ModelParts& model, const CandidateTokens& answer, RankBy by,
            std::span<double> scores)
      : model_(model), answer_(answer), by_(by), scores_(scores) {}

  // Puts jobs into the stream, which fill in the scores: a request for each text.
  void put_into(JobStream& stream, const std::vector<Request>& requests, const Control& control) {
    std::vector<Prompt> prompts;
    for (const Request& request : requests) {
      prompts.push_back(prompt_of(model_, request, {answer_}));
    }
    if (const auto shared = shared_part(prompts)) {
      auto [prompt, candidates] = joined(prompts, *shared);
      const auto then = [this](const Generation& generation) {
        for (std::size_t i = 0; i < scores_.size(); ++i) take(i, generation.sequences[i]);
      };
      stream.put(
          make_job(model_, std::move(prompt), requests.front(), {control}, std::move(candidates)),
          then);
      return;
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const auto then = [this, i](const Generation& generation) {
        take(i, generation.sequences.front());
      };
      stream.put(make_job(model_, std::move(prompts[i]), requests[i], {control}, {answer_}), then);
    }
  }

 private:
  // How many tokens of text one prompt for all has: where pictures are read without knowledge of
  // the text, and what comes later does not change what was read before.
  std::optional<std::size_t> shared_part(const std::vector<Prompt>& prompts) const {
    const Prompt& first = prompts.front();
    if (!first.instruction.qformer.empty() || !model_.loaded().language->reads_forward()) {
      return std::nullopt;
    }
    const std::size_t shared = shared_beginning(prompts);
    const bool pictures_come_before = std::ranges::all_of(prompts, [&](const Prompt& prompt) {
      return prompt.places == first.places && prompt.places.back() <= shared;
    });
    return pictures_come_before ? std::optional(shared) : std::nullopt;
  }

  // One prompt, and behind it the rest of each text with the answer as a candidate.
  std::pair<Prompt, std::vector<CandidateTokens>> joined(const std::vector<Prompt>& prompts,
                                                         std::size_t shared) const {
    std::vector<CandidateTokens> candidates;
    for (const Prompt& prompt : prompts) {
      const std::vector<std::int32_t>& text = prompt.instruction.language;
      candidates.emplace_back(text.begin() + static_cast<std::ptrdiff_t>(shared), text.end());
      candidates.back().insert(candidates.back().end(), answer_.begin(), answer_.end());
    }
    Instruction beginning = prompts.front().instruction;
    beginning.language.resize(shared);
    Prompt prompt = model_.prompts.with_pictures(std::move(beginning), prompts.front().rows,
                                                 prompts.front().is_video);
    prompt.pictures = prompts.front().pictures;
    return {std::move(prompt), std::move(candidates)};
  }

  // The answer is the end of the sequence.
  void take(std::size_t text, const Sequence& sequence) {
    const auto end = sequence.logprobs.end();
    const double sum = std::accumulate(end - static_cast<std::ptrdiff_t>(answer_.size()), end, 0.0);
    scores_[text] = score_by(by_, sum, answer_.size());
  }

  const ModelParts& model_;
  const CandidateTokens& answer_;
  RankBy by_;
  std::span<double> scores_;
};

}  // namespace

ScoredAnswer to_scored(Sequence sequence, const PromptBuilder& prompts) {
  ScoredAnswer answer;
  answer.tokens = std::move(sequence.tokens);
  answer.logprobs = std::move(sequence.logprobs);
  for (const std::int32_t id : answer.tokens) {
    answer.pieces.push_back(prompts.tokenizer().token_of(id).value_or(""));
  }
  answer.sum = sequence.score;
  answer.mean = answer.sum / static_cast<double>(answer.tokens.size());
  answer.perplexity = std::exp(-answer.mean);
  return answer;
}

Scores score_answers(const ModelParts& model, const Request& request,
                     std::span<const std::string> answers, const ScoreOptions& options,
                     const Control& control) {
  check_count(answers.size(), "answers");
  const auto job =
      prepare(model, request, {control}, tokens_of(model, answers, options.end_token, "answer"));
  Generation generation = answer(model, job);
  Scores scores;
  for (Sequence& sequence : generation.sequences) {
    scores.answers.push_back(to_scored(std::move(sequence), model.prompts));
  }
  scores.prompt_tokens = generation.prompt_tokens;
  scores.qformer_tokens = generation.qformer_tokens;
  scores.timings = generation.timings;
  return scores;
}

ScoreMatrix make_score_matrix(const ModelParts& model, std::span<const Pictures> pictures,
                              std::span<const std::string> texts, const MatrixOptions& options,
                              const Control& control) {
  check_count(pictures.size(), "pictures");
  check_count(texts.size(), "texts");
  if (options.instruction.find(kPlace) == std::string::npos) {
    throw Error(ErrorCode::invalid_argument,
                "score: expected {} in the instruction, where each text is put, got " +
                    quote(options.instruction));
  }
  const CandidateTokens answer =
      tokens_of(model, {&options.answer, 1}, options.end_token, "answer").front();
  std::vector<Request> requests;
  for (const std::string& text : texts) {
    requests.push_back({pictures.front(), filled(options.instruction, text)});
    check(model, requests.back(), {answer});
  }
  ScoreMatrix matrix{pictures.size(), texts.size(),
                     std::vector<double>(pictures.size() * texts.size())};
  JobStream stream(model);
  std::vector<MatrixRow> rows;  // their jobs refer to them
  rows.reserve(pictures.size());
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const ImageFeatures features = encode_pictures(model, pictures[i]);
    for (Request& request : requests) request.pictures = features;
    rows.emplace_back(model, answer, options.by,
                      std::span(matrix.scores).subspan(i * texts.size(), texts.size()));
    rows.back().put_into(stream, requests, control);
  }
  stream.finish();
  return matrix;
}

}  // namespace instructblip
